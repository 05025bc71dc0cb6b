"""What somebody takes of the pods' bridge is put back, in a network of a test's own."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.api import network
from tests.api.test_network_cause import CONFIG

from kubeception.host import files, links
from kubeception.host.gateway import Host
from kubeception.host.process import run
from kubeception.host.systemd import Systemd
from kubeception.render import flannel
from kubeception.resources.pod_bridge import PodBridge
from kubeception.session import Session

BRIDGE_ADDRESS = "02:00:00:00:00:01"
TAKEN = {
    "ip link delete cni0": "is gone",
    "ip link set cni0 down": "is down",
    "ip address flush dev cni0": "has lost its address 10.64.8.1/24",
    "ip link set pod2 nomaster": "has lost links of pods: pod2",
    "ip link set pod1 down": "has lost links of pods: pod1",
}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    host = Host(tmp_path, Systemd(tmp_path / "nobody-answers"))
    files.write(host.at(flannel.SUBNET), "FLANNEL_SUBNET=10.64.8.1/24\n")
    with network.new():
        yield Session(CONFIG, host)


def plugged(session: Session, *pods: str) -> None:
    """Have pods on a bridge, as the plugin leaves them."""
    run(f"ip link add cni0 address {BRIDGE_ADDRESS} type bridge".split())
    run(["ip", "address", "add", "10.64.8.1/24", "dev", "cni0"])
    run(["ip", "link", "set", "cni0", "up"])
    for name in pods:
        run(f"ip link add {name} type veth peer {name}-in".split())
        run(f"ip link set {name} master cni0 up".split())
        noted(session, name, [("cni0", BRIDGE_ADDRESS, ""), (name, "02:00:00:00:00:02", "")])


def noted(session: Session, name: str, interfaces: list[tuple[str, str, str]]) -> None:
    """Note a pod as libcni does."""
    words = ("name", "mac", "sandbox")
    said = [dict(zip(words, one, strict=True)) for one in interfaces]
    said.append({"name": "eth0", "mac": "02:00:00:00:00:03", "sandbox": f"/run/netns/{name}"})
    at = session.host.at(Path(f"/var/lib/cni/results/cbr0-{name}-eth0"))
    files.write(at, json.dumps({"kind": "cniCacheV1", "result": {"interfaces": said}}))


def test_before_there_is_a_pod_nothing_is_missed(session: Session) -> None:
    assert PodBridge().drift(session) is None
    PodBridge().apply(session)
    assert not links.has_link("cni0")


@pytest.mark.parametrize("taken", TAKEN)
def test_what_is_taken_is_told_and_put_back(session: Session, taken: str) -> None:
    plugged(session, "pod1", "pod2")
    assert PodBridge().drift(session) is None
    run(taken.split())

    assert PodBridge().drift(session) == TAKEN[taken]
    PodBridge().apply(session)

    assert PodBridge().drift(session) is None
    [told] = json.loads(run(["ip", "-json", "link", "show", "cni0"]).stdout)
    assert told["address"] == BRIDGE_ADDRESS
    PodBridge().apply(session)
    assert PodBridge().drift(session) is None


def test_pods_that_have_gone_and_what_others_note_count_for_nothing(session: Session) -> None:
    plugged(session, "pod1")
    noted(session, "gone", [("cni0", BRIDGE_ADDRESS, ""), ("gone", "02:00:00:00:00:02", "")])
    noted(session, "others", [("br7", BRIDGE_ADDRESS, ""), ("lo", "02:00:00:00:00:02", "")])
    for content in ("", "[]", '{"result": null}'):
        files.write(session.host.at(Path("/var/lib/cni/results/torn")), content)

        assert PodBridge().drift(session) is None
