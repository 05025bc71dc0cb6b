"""What takes too long for every run: `make soak` has it collected."""

import pytest
from tests.lab import cluster, healing
from tests.lab.cluster import get, kubectl, until
from tests.lab.conftest import Note

from kubeception.lab import Host, Lab

NETWORK = "/etc/systemd/network/10-host0.network"
MOVED = "10.89.0.77"

pytestmark = [pytest.mark.hosts(1, bundle=True), pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def cp1(lab: Lab) -> Host:
    return healing.proven(lab)


def test_a_revision_that_does_not_serve_gives_way(cp1: Host) -> None:
    """An edit by hand asks for the port that is taken, and the keeper would write another."""
    cp1.run("kubeception", "keeper", "pause", "--for", "2h")
    bad = '[{"op": "add", "path": "/spec/template/spec/containers/0/command/-", "value": "--no"}]'
    kubectl(cp1, "-n", "kube-system", "patch", "ds/kube-apiserver", "--type=json", "-p", bad)
    server = ("-n", "kube-system", "-l", "component=kube-apiserver")
    kubectl(cp1, "delete", "pods", *server, "--wait=false")
    until(lambda: not cluster.answers(cp1), timeout_s=60)

    said = cp1.run("kubeception", "recover", timeout_s=240).stdout

    assert "recover, from kept revision" in said
    cp1.run("kubeception", "keeper", "resume")
    cluster.settle(cp1)
    [pod] = cluster.get(cp1, "pods", *server)["items"]
    assert "--no" not in pod["spec"]["containers"][0]["command"]
    assert "it did not serve" in cp1.run("kubeception", "status").stdout


def test_a_host_that_has_moved_comes_back_at_its_new_address(cp1: Host, note: Note) -> None:
    before = healing.kept(cp1)
    for path in (NETWORK, "/etc/hosts"):
        cp1.put(path, cp1.get(path).replace(cp1.address, MOVED))
    cp1.run("sync")

    back = healing.come_back(
        lambda: healing.cut_power(cp1), cp1, batch="moved", patience_s=healing.BACK_S
    )

    note(f"moved host: API after {back.api_s:.1f} s, all well after {back.well_s:.1f} s")
    assert back.lost == []
    [node] = get(cp1, "nodes")["items"]
    assert {"type": "InternalIP", "address": MOVED} in node["status"]["addresses"]
    [server] = get(cp1, "pods", "-n", "kube-system", "-l", "component=kube-apiserver")["items"]
    assert f"--advertise-address={MOVED}" in server["spec"]["containers"][0]["command"]
    # The new revision is proven in its turn, and kept beside the old one.
    until(lambda: {*healing.kept(cp1)} > {*before}, timeout_s=healing.PROOF_S)
