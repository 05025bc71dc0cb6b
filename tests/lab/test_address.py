"""A control-plane host whose address is gone comes back whole, and so does a node that hangs."""

import json

import pytest
from tests.lab import cluster, healing
from tests.lab.cluster import get, kubectl, until
from tests.lab.conftest import Note
from tests.lab.lot import drawn
from tests.lab.machine import scaled

from kubeception.config import Config
from kubeception.keeper import record
from kubeception.keeper.verdict import Action
from kubeception.lab import Host, Lab
from kubeception.layout import Layout
from kubeception.render import etcd, flannel, keeper, kubelet
from kubeception.render.objects import NAMESPACE

NETWORK = "/etc/systemd/network/10-host0.network"
MOVED = "10.89.0.12"
# It goes by the old address for a minute, and then whatever names it follows.
PATIENCE_S = 2 * healing.BACK_S
# The control plane has to see that a kubelet is silent, and the keeper to be patient.
UNREADY_S = 2 * 120.0
_FLANNELS = ("pods", "-n", NAMESPACE, "-l", "k8s-app=flannel")

pytestmark = [pytest.mark.hosts(1, bundle=True), pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def made(lab: Lab) -> Host:
    return healing.made(lab)


@pytest.fixture
def cp1(made: Host, lab: Lab, hosts: list[Host]) -> Host:
    return healing.well(lab)


def address(host: Host) -> str:
    """Return the address that a host goes by."""
    found = kubelet.address_in(host.get(Layout.kubelet.environment))
    assert found is not None
    return str(found)


def move(host: Host) -> tuple[str, str]:
    """Have a host get another address when its network is set up anew; return both."""
    before = address(host)
    after = MOVED if before == host.address else host.address
    for path in (NETWORK, "/etc/hosts"):
        host.put(path, host.get(path).replace(f"{before}/", f"{after}/").replace(before, after))
    return before, after


def said(host: Host) -> record.Record | None:
    return record.read(host.root() / Layout.keeper.relative_to("/"))


def assert_is_at(host: Host, *, now: str, before: str) -> None:
    """Check that everything names the address that a host has now, and nothing the one before."""
    cluster.settle(host)
    assert address(host) == now
    [node] = get(host, "nodes")["items"]
    assert {"type": "InternalIP", "address": now} in node["status"]["addresses"]
    # flannel is ready by its settings, which are there from before, and tells this after it.
    until(lambda: _public_ip(host) == now, timeout_s=30)
    places = get(host, "endpoints,endpointslices", "-n", "default")["items"]
    # A pod on its way out asks nobody any more, and may take its seconds to go.
    asking = [p["spec"] for p in cluster.pods(host) if "deletionTimestamp" not in p["metadata"]]
    for found in (places, asking, cluster.door(host)):
        assert now in str(found)
        assert before not in str(found)
    for url, ca in (
        (f"https://{now}:6443/readyz", Config().layout.pki.ca),
        (f"https://{now}:10250/healthz", Config().layout.pki.kubelet_serving_ca),
    ):
        host.run("curl", "--silent", "--cacert", str(ca.certificate), "--max-time", "10", url)


def _public_ip(host: Host) -> str:
    notes = get(host, "node", host.name)["metadata"]["annotations"]
    return str(notes["flannel.alpha.coreos.com/public-ip"])


def test_a_flannel_that_cannot_serve_is_replaced_like_any_pod(cp1: Host) -> None:
    binding = get(cp1, "clusterrolebinding", "flannel")
    for key in ("resourceVersion", "uid", "creationTimestamp"):
        del binding["metadata"][key]
    kubectl(cp1, "delete", "clusterrolebinding", "flannel")
    settings = f"/etc/cni/net.d/{flannel.PLUGIN}"
    cp1.run("rm", settings, f"{flannel.RUN}/subnet.env")
    before = _running(cp1)
    hung = _replaced(cp1, than=_uids(cp1))
    until(lambda: bool(_running(cp1) - before), timeout_s=60)

    replaced = _replaced(cp1, than=hung)

    assert not hung & replaced
    until(lambda: getattr(said(cp1), "action", "") == Action.WAIT, timeout_s=30)
    kubectl(cp1, "apply", "-f", "-", stdin=json.dumps(binding))
    assert healing.wait(cp1, patience_s=scaled(PATIENCE_S)) == []
    cp1.run("test", "-e", settings)
    # Each child is one for a moment.
    until(lambda: "defunct" not in cp1.run("ps", "-e").stdout, timeout_s=10)


def test_a_kubelet_that_hangs_is_restarted(cp1: Host, note: Note) -> None:
    before = cluster.units(cp1)[kubelet.UNIT]
    cp1.run("systemctl", "kill", "--signal=STOP", kubelet.UNIT)

    after_s = until(lambda: cluster.units(cp1)[kubelet.UNIT] != before, timeout_s=UNREADY_S)
    left = healing.wait(cp1, patience_s=scaled(PATIENCE_S))

    note(f"a kubelet that hangs: restarted after {after_s:.1f} s")
    assert left == []
    words = cp1.run("journalctl", "--no-pager", "-u", keeper.UNIT, "-n", "200").stdout
    assert "node cp1 has been NotReady for " in words
    assert "node cp1 is NotReady: Kubelet stopped posting node status." in words


def moved_by_a_boot(cp1: Host, note: Note) -> None:
    before, after = move(cp1)

    back = healing.come_back(cp1.reboot, cp1, batch="moved", patience_s=healing.BACK_S)

    note(f"moved: API after {back.api_s:.1f} s, all well after {back.well_s:.1f} s")
    assert back.lost == []
    assert_is_at(cp1, now=after, before=before)


def moved_while_all_runs(cp1: Host, note: Note) -> None:
    """What etcd asks itself goes by one of its addresses, which one is chance: here by loopback."""
    cp1.put("/etc/etcd-on-loopback.env", "ETCD_LISTEN_CLIENT_URLS=https://127.0.0.1:2379\n")
    drop_in = "[Service]\nEnvironmentFile=/etc/etcd-on-loopback.env\n"
    cp1.put(f"/etc/systemd/system/{etcd.UNIT}.d/loopback.conf", drop_in)
    cp1.run("systemctl", "daemon-reload")
    cp1.run("systemctl", "restart", etcd.UNIT)
    assert healing.wait(cp1, patience_s=scaled(PATIENCE_S)) == []
    before, after = move(cp1)

    cp1.run("networkctl", "reload")
    cp1.run("networkctl", "reconfigure", "host0")
    followed_s = until(lambda: address(cp1) == after, timeout_s=PATIENCE_S)
    left = healing.wait(cp1, patience_s=scaled(PATIENCE_S))
    told = cp1.run("journalctl", "--no-pager", "-u", keeper.UNIT, "-n", "200").stdout

    note(f"moved without a reboot: followed after {followed_s:.1f} s")
    assert left == []
    assert f"bootstrap: address {before} is gone, and the host has {after}" in told
    assert_is_at(cp1, now=after, before=before)


MOVES = {"by a boot": moved_by_a_boot, "while all runs": moved_while_all_runs}


@pytest.mark.parametrize("how", drawn(list(MOVES), 1))
def test_a_host_that_gets_another_address_comes_back_whole(cp1: Host, how: str, note: Note) -> None:
    MOVES[how](cp1, note)


def _uids(host: Host) -> set[str]:
    return {pod["metadata"]["uid"] for pod in get(host, *_FLANNELS)["items"]}


def _running(host: Host) -> set[str]:
    return set(host.run("pgrep", "--exact", "flanneld", check=False).stdout.split())


def _replaced(host: Host, *, than: set[str]) -> set[str]:
    """Delete flannel's pod, and return the one that is there instead once it is gone."""
    kubectl(host, "delete", *_FLANNELS, "--wait=false")
    until(lambda: bool(_uids(host)) and not than & _uids(host), timeout_s=60)
    return _uids(host)
