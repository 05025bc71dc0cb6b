"""What does not work of a node's network is named by `status`, on the right node; so is its end."""

import re
import time
from dataclasses import dataclass
from functools import partial

import pytest
from tests.conftest import Note
from tests.lab import cluster
from tests.lab.cluster import get, until
from tests.lab.lot import IS_SOAK, SEED, drawn
from tests.lab.machine import scaled

from kubeception.conditions import network_problem
from kubeception.keeper.trouble import Reason
from kubeception.lab import Host, Lab

pytestmark = [pytest.mark.hosts(2, bundle=True), pytest.mark.timeout(4800 if IS_SOAK else 900)]

# The keeper looks every fifteen seconds, and believes what it has seen twice.
NAMED_S = 60
KEEPER = "kubeception-keeper.service"
MEASURED_S, TICKS = 60, 100
MOST_SHARE = 0.003
WELL_S, LOOK_EVERY_S = (3600, 15) if IS_SOAK else (30, 5)


@dataclass(frozen=True)
class Fault:
    """How a worker's network is broken and mended, by root there; and what is said of it."""

    broken: str
    mended: str
    said: Reason | str
    cause: str = ""


def dropped(
    what: str, hook: str, said: Reason | str, cause: str = "chain inet broken it (rule "
) -> Fault:
    """Return the fault of a rule that drops some packets."""
    chain = f"type filter hook {hook} priority -300; {what} drop;"
    table = f"table inet broken {{ chain it {{ {chain} }}; }}"
    return Fault(f"echo '{table}' | nft -f -", "nft delete table inet broken", said, cause)


FLANNEL_ANEW = "crictl ps -q --name flannel | xargs crictl stop"
POSTROUTING = "ip flannel-ipv4 postrtg"
# What only pods see; the host itself reaches everything.
PODS_FAULTS = {
    "what pods send is dropped": dropped("ip saddr 10.64.0.0/16", "forward", Reason.NODES),
    "what pods are answered is dropped": dropped("ip daddr 10.64.0.0/16", "forward", Reason.NODES),
    "masquerading is gone": Fault(
        f"nft flush chain {POSTROUTING} && nft add rule {POSTROUTING} counter",
        FLANNEL_ANEW,
        Reason.MASQUERADE,
        f"chain {POSTROUTING} masquerades nothing ({FLANNEL_ANEW})",
    ),
}


FAULTS = {
    "VXLAN is dropped as it arrives": dropped("udp dport 8472", "input", Reason.PODS),
    "VXLAN is dropped as it leaves": dropped("udp dport 8472", "output", Reason.PODS),
    "flannel's link is down": Fault(
        "ip link set flannel.1 down",
        FLANNEL_ANEW,
        Reason.PODS,
        "link flannel.1 is not up",
    ),
    "questions to the DNS are dropped": dropped("udp dport 53", "output", Reason.DNS),
    "the way to Services is closed": Fault(
        "ip route add blackhole 10.65.0.0/16",
        "ip route del blackhole 10.65.0.0/16",
        Reason.API,
        "route blackhole 10.65.0.0/16 (ip route del blackhole 10.65.0.0/16)",
    ),
    "the kubelet's port is closed": dropped(
        *("tcp dport 10250", "input"),
        said="the API server to reach every node's kubelet",
        cause="",  # what the worker's own status says
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


@pytest.mark.parametrize(
    "name",
    [*PODS_FAULTS, *drawn(list(FAULTS), 2)],
    ids=lambda one: f"{one} (seed {SEED})",
)
def test_what_does_not_work_on_a_node_is_named(
    made: list[Host], hosts: list[Host], note: Note, name: str
) -> None:
    cp1, w1 = made
    assert len(hosts) == 2
    fault = {**FAULTS, **PODS_FAULTS}[name]
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
    assert any(fault.cause in line for line in said)
    assert not any("cp1: " in line for line in said)


def test_what_a_look_costs_is_little(made: list[Host], note: Note) -> None:
    cp1, w1 = made
    until(lambda: problems(cp1) == [], timeout_s=NAMED_S)

    used = {}
    for is_on in (True, False):
        w1.put(cluster.CONFIG, f"[node]\nprobe_network = {str(is_on).lower()}\n")
        w1.run("systemctl", "restart", KEEPER)
        until(partial(place_is, w1, there=is_on), timeout_s=NAMED_S)
        before = keeper_ticks(w1)
        time.sleep(MEASURED_S)
        said = w1.run("journalctl", "-u", KEEPER, "-o", "cat", "-n", "1").stdout
        used[is_on] = keeper_ticks(w1) - before, keeper_kib(w1)
        assert "all is well" in said and problems(cp1) == []
    w1.put(cluster.CONFIG, "")
    w1.run("systemctl", "restart", KEEPER)

    (ticks, kib), (ticks_off, kib_off) = used[True], used[False]
    share = (ticks - ticks_off) / TICKS / MEASURED_S
    note(
        f"the keeper's CPU in {MEASURED_S} s: {ticks} ticks of {1000 // TICKS} ms, without its"
        f" place among the pods {ticks_off}: {share:.2%} of a core more;"
        f" memory: {kib / 1024:.1f} MiB, without {kib_off / 1024:.1f} MiB"
    )
    assert share <= scaled(MOST_SHARE)
    assert kib - kib_off <= 30 * 1024


def test_nothing_is_named_where_all_is_well(made: list[Host], note: Note) -> None:
    cp1, _ = made
    until(lambda: problems(cp1) == [], timeout_s=NAMED_S)
    since = cp1.run("date", "+%s").stdout.strip()
    named: list[str] = []
    looks, ends_s = 0, time.monotonic() + WELL_S
    while time.monotonic() < ends_s:
        named += problems(cp1)
        named += [f"{node}: {said}" for node in ("cp1", "w1") if (said := told(cp1, node))]
        looks += 1
        time.sleep(LOOK_EVERY_S)
    for host in made:
        journal = host.run("journalctl", "-u", KEEPER, "-o", "cat", f"--since=@{since}").stdout
        named += [f"{host.name}: {line}" for line in journal.splitlines() if is_warning(line)]

    note(f"{looks} looks in {WELL_S} s")
    assert named == []


def is_warning(line: str) -> bool:
    """Whether a line of a keeper's journal tells of something that does not hold."""
    return bool(re.match(r" ?(WARN|ERROR)", line))


def place_is(w1: Host, *, there: bool) -> bool:
    """Whether a worker's keeper has an address among its pods, or has none."""
    taken = w1.run("test", "-e", "/var/lib/cni/networks/cbr0/10.64.1.254", check=False)
    return (taken.code == 0) is there


def keeper_ticks(host: Host) -> int:
    """Return how long a keeper and what it has called have run."""
    fields = host.run("cat", f"/proc/{keeper_pid(host)}/stat").stdout.rpartition(")")[2].split()
    return sum(map(int, fields[11:15]))


def keeper_kib(host: Host) -> int:
    """Return how much memory a keeper has."""
    status = host.run("cat", f"/proc/{keeper_pid(host)}/status").stdout
    return int(status.partition("VmRSS:")[2].split()[0])


def keeper_pid(host: Host) -> str:
    return host.run("systemctl", "show", "-P", "MainPID", KEEPER).stdout.strip()


def told(cp1: Host, node: str = "w1") -> str | None:
    """Return the reason by which a Node says that its network does not work."""
    return network_problem(get(cp1, "node", node))
