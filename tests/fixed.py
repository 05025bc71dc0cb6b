"""One fixed configuration and one fixed set of facts, for whatever is rendered or planned."""

from datetime import UTC, datetime
from pathlib import Path

from kubeception.config import Config
from kubeception.facts import Facts, Membership
from kubeception.versions import COMPONENTS

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONFIG = Config()
# Images and versions of no release, so that a new one changes no golden file.
FACTS = Facts(
    node="cp1",
    address="192.0.2.10",
    images={name: f"localhost/kubeception/{name}:v0" for name in COMPONENTS},
    archives={
        name: Path(f"/opt/kubeception/current/images/{name}.tar")
        for name in ("kube-apiserver", "pause")
    },
    new_token="0123456789abcdef0123456789abcdef",
)
MEMBER = Membership(
    apiservers=("https://192.0.2.10:6443",),
    cluster_dns="10.96.0.10",
    cluster_domain="cluster.local",
)
