"""What a host kept for its next start is out of date by then: it comes back all the same."""

import json
from pathlib import Path

import pytest
from tests.lab import cluster, healing
from tests.lab.cluster import answers, bootstrap, get, until
from tests.lab.conftest import Note

from kubeception.lab import Host, Lab

REVISIONS = "/var/lib/kubeception/revisions"
NETWORK = "/etc/systemd/network/10-host0.network"
MOVED = "10.89.0.77"

pytestmark = [pytest.mark.hosts(1, bundle=True), pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def cp1(lab: Lab) -> Host:
    host = lab.host("cp1")
    cluster.configure(host)
    bootstrap(host)
    until(lambda: len(kept(host)) == 1, timeout_s=3 * 70)
    return host


def kept(host: Host) -> list[str]:
    return host.run("sh", "-c", f"ls {REVISIONS}/proven-*.json", check=False).stdout.split()


def image(path: str, host: Host) -> str:
    template = json.loads(host.get(path))["template"]
    found: str = template["spec"]["containers"][0]["image"]
    return found


def back(host: Host, *, batch: str) -> str:
    """Cut a host's power and wait until it is back by itself; say how long that took."""
    found = healing.come_back(
        lambda: healing.cut_power(host), host, batch=batch, patience_s=3 * healing.BACK_S
    )
    assert found.lost == []
    return f"API after {found.api_s:.1f} s, all well after {found.well_s:.1f} s"


def test_a_kept_revision_of_long_ago_is_passed_over_and_kept_anew(cp1: Host, note: Note) -> None:
    [path] = kept(cp1)
    ours = image(path, cp1)
    name, _, _ = ours.rpartition(":")
    old = cp1.get(path).replace(ours, f"{name}:v1.30.0")
    cp1.put(path, old)
    cp1.run("sync")

    note(f"stale revision: {back(cp1, batch='old')}")
    until(lambda: image(path, cp1) == ours, timeout_s=3 * 70)


def test_a_host_that_has_moved_comes_back_at_its_new_address(cp1: Host, note: Note) -> None:
    before = kept(cp1)
    for path in (NETWORK, "/etc/hosts"):
        cp1.put(path, cp1.get(path).replace(cp1.address, MOVED))
    cp1.run("sync")

    note(f"moved host: {back(cp1, batch='moved')}")
    assert answers(cp1)
    [node] = get(cp1, "nodes")["items"]
    assert {"type": "InternalIP", "address": MOVED} in node["status"]["addresses"]
    [server] = get(cp1, "pods", "-n", "kube-system", "-l", "component=kube-apiserver")["items"]
    assert f"--advertise-address={MOVED}" in server["spec"]["containers"][0]["command"]
    # The new revision is proven in its turn, and kept beside the old one.
    until(lambda: {*kept(cp1)} > {*before}, timeout_s=3 * 70)
    assert all(Path(path).name.startswith("proven-") for path in kept(cp1))
