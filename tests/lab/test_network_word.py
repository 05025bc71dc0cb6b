"""What does not work of a node's network is named by `status`, on the right node; so is its end."""

from dataclasses import dataclass

import pytest
from tests.conftest import Note
from tests.lab import cluster
from tests.lab.cluster import get, until
from tests.lab.lot import SEED, drawn

from kubeception.conditions import network_problem
from kubeception.keeper.network_watch import Reason
from kubeception.lab import Host, Lab

pytestmark = [pytest.mark.hosts(2, bundle=True), pytest.mark.timeout(600)]

# The keeper looks every fifteen seconds, and believes what it has seen twice.
NAMED_S = 60


@dataclass(frozen=True)
class Fault:
    """How a worker's network is broken and mended, by root there; and what is said of it."""

    broken: str
    mended: str
    said: Reason | str


def dropped(what: str, hook: str, said: Reason | str) -> Fault:
    """Return the fault of a rule that drops some packets."""
    chain = f"type filter hook {hook} priority -300; {what} drop;"
    table = f"table inet broken {{ chain it {{ {chain} }}; }}"
    return Fault(f"echo '{table}' | nft -f -", "nft delete table inet broken", said)


FAULTS = {
    "VXLAN is dropped as it arrives": dropped("udp dport 8472", "input", Reason.PODS),
    "VXLAN is dropped as it leaves": dropped("udp dport 8472", "output", Reason.PODS),
    "flannel's link is down": Fault(
        "ip link set flannel.1 down",
        "crictl ps -q --name flannel | xargs crictl stop",
        Reason.PODS,
    ),
    "questions to the DNS are dropped": dropped("udp dport 53", "output", Reason.DNS),
    "the way to Services is closed": Fault(
        "ip route add blackhole 10.65.0.0/16", "ip route del blackhole 10.65.0.0/16", Reason.API
    ),
    "the kubelet's port is closed": dropped(
        "tcp dport 10250", "input", "the API server to reach every node's kubelet"
    ),
}


@pytest.fixture(scope="module")
def made(lab: Lab) -> list[Host]:
    cp1, w1 = lab.hosts()
    cluster.configure(cp1)
    cluster.bootstrap(cp1)
    command = cp1.run("kubeception", "token", "create", "--node", "w1").stdout
    w1.run("sh", stdin=command, timeout_s=240)
    return [cp1, w1]


def problems(cp1: Host) -> list[str]:
    """Return the lines by which a control-plane host says that something does not hold."""
    said = cp1.run("kubeception", "status", check=False)
    lines = [line for line in said.stdout.splitlines() if line.startswith("✗")]
    assert bool(lines) is (said.code == 1)
    return lines


@pytest.mark.parametrize("name", drawn(list(FAULTS), 2), ids=lambda one: f"{one} (seed {SEED})")
def test_what_does_not_work_on_a_node_is_named(
    made: list[Host], hosts: list[Host], note: Note, name: str
) -> None:
    cp1, w1 = made
    assert len(hosts) == 2
    fault = FAULTS[name]
    until(lambda: problems(cp1) == [], timeout_s=NAMED_S)

    w1.run("sh", "-c", fault.broken)
    try:
        named_s = until(lambda: any("w1: " in line for line in problems(cp1)), timeout_s=NAMED_S)
        if isinstance(fault.said, Reason):
            until(lambda: told(cp1) == fault.said, timeout_s=NAMED_S)
        said = problems(cp1)
    finally:
        w1.run("sh", "-c", fault.mended)
    over_s = until(lambda: problems(cp1) == [] and told(cp1) is None, timeout_s=NAMED_S)

    note(f"{name}: named after {named_s:.1f} s, its end after {over_s:.1f} s: {said}")
    assert isinstance(fault.said, Reason) or any(fault.said in line for line in said)
    assert not any("cp1: " in line for line in said)


def told(cp1: Host) -> str | None:
    """Return the reason by which w1's Node says that its network does not work."""
    return network_problem(get(cp1, "node", "w1"))
