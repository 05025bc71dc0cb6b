"""One fixed configuration and one fixed set of facts, for whatever is rendered or planned."""

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from kubeception.config import Config
from kubeception.facts import ClusterFacts, Facts, HostFacts, Membership, asked
from kubeception.versions import BUILT_IN, Release

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONFIG = Config()
# Images and versions of no release, so that a new one changes no golden file.
RELEASE = Release(
    "1.0.0", images={name: f"localhost/kubeception/{name}:v0" for name in BUILT_IN.images}
)
HOST = HostFacts(
    node="cp1",
    address=IPv4Address("192.0.2.10"),
    release=RELEASE,
    archives={
        name: Path(f"/opt/kubeception/current/images/{name}.tar")
        for name in ("kube-apiserver", "pause")
    },
    new_token="0123456789abcdef0123456789abcdef",
)


def on_host(config: Config = CONFIG, **changes: Any) -> Facts:
    """Return the facts of a cluster of this one host, which differs in `changes`."""
    host = replace(HOST, **changes)
    settings = asked(config, host)
    return Facts(host, ClusterFacts(settings, None, settings, {host.node: host.address}))


FACTS = on_host()
CLUSTER = FACTS.cluster
SETTINGS = CLUSTER.settings
MEMBER = Membership(
    apiservers=("https://192.0.2.10:6443",),
    cluster_dns="10.96.0.10",
    cluster_domain="cluster.local",
)
