"""A control plane inside its cluster comes back by itself: after power cuts, reboots, and worse."""

import os
import re
import time
from collections.abc import Callable
from statistics import median

import pytest
from tests.lab import cluster, door_history, faults, healing, timeline
from tests.lab.cluster import answers, until
from tests.lab.conftest import Note
from tests.lab.faults import Fault
from tests.lab.healing import Return
from tests.lab.lot import IS_SOAK, SEED, drawn
from tests.lab.machine import scaled

from kubeception.lab import Host, Lab
from kubeception.render import keeper

CUTS = int(os.environ.get("KUBECEPTION_CUTS", "2"))
SHORT = [fault for fault in faults.table() if IS_SOAK or not fault.is_long]

pytestmark = [pytest.mark.hosts(1, bundle=True), pytest.mark.timeout(900 + CUTS * 200)]


@pytest.fixture(scope="module")
def made(lab: Lab) -> Host:
    return healing.proven(lab)


@pytest.fixture
def cp1(made: Host, lab: Lab, hosts: list[Host]) -> Host:
    """A host that is well: the fault before may still be mended; if it can't be, a new one."""
    return healing.well(lab, until_proven=True)


@pytest.mark.parametrize("how", healing.DARKNESSES)
def test_a_host_comes_back_alone_with_every_acknowledged_write(
    cp1: Host, how: str, note: Note
) -> None:
    returns: list[Return] = []
    for number in range(CUTS):
        batch = f"{how.replace(' ', '-')}-{number}"

        back = healing.come_back(
            lambda: healing.DARKNESSES[how](cp1), cp1, batch=batch, patience_s=healing.BACK_S
        )

        assert back.lost == []
        returns.append(back)
    api = [back.api_s for back in returns]
    well = [back.well_s for back in returns]
    note(
        f"{how}: {CUTS} times back alone; API after {median(api):.1f} s (worst {max(api):.1f}), "
        f"all well after {median(well):.1f} s (worst {max(well):.1f}), "
        f"{sum(back.acknowledged for back in returns)} acknowledged writes, none lost"
    )


@pytest.mark.parametrize("fault", drawn(SHORT, 8), ids=lambda fault: fault.name)
def test_what_breaks_is_mended_by_itself(cp1: Host, fault: Fault, note: Note) -> None:
    healed = healing.heal(fault, cp1, patience_s=scaled(fault.well_s))

    gap_s = timeline.gap_s(healed.spans)
    outside_s = timeline.gap_s(timeline.spans(healed.outside.seen, zero_s=healed.began_s))
    failed = timeline.failed(healed.spans)
    drawn = f" (seed {SEED}: {fault.words})" if fault.words else ""
    well = "not well" if healed.well_s is None else f"all well after {healed.well_s:.1f} s"
    note(
        f"{fault.name}{drawn}: {well} (limit {fault.well_s:.0f}), gap of the API {gap_s:.1f} s "
        f"(limit {fault.gap_s:.0f}), {failed} of {healed.requests} requests failed, "
        f"slowest {healed.slowest_s:.2f} s; gap outside {outside_s:.1f} s, {healed.outside}"
    )
    assert healed.problems == []
    # A keeper on a machine that is too slow for it waits longer, and says how much.
    said = cp1.run(
        "journalctl", "-u", "kubeception-keeper", f"--since=@{healed.began_s:.0f}"
    ).stdout
    patience = max(map(float, re.findall(r"is (\d+) times too slow", said)), default=1.0)
    assert gap_s <= scaled(fault.gap_s) * patience, healed.spans
    # Others wait for a hosted API server.
    outside_limit_s = scaled(fault.well_s if fault.gap_s else 0)
    assert outside_s <= outside_limit_s, (
        f"{healed.outside.failed}\n{door_history.since(cp1, healed.began_s)}"
    )
    if not fault.gap_s:
        assert max(healed.slowest_s, healed.outside.slowest_s) <= scaled(cluster.SLOWEST_S)
    assert [name for name in healed.replaced if name.startswith(fault.spares)] == []


def test_a_killed_etcd_loses_no_acknowledged_write(cp1: Host) -> None:
    kill = ("systemctl", "kill", "--kill-whom=main", "--signal=KILL", "etcd.service")

    _, acknowledged = healing.write_and(lambda: cp1.run(*kill), cp1, batch="etcd")

    until(lambda: answers(cp1), timeout_s=30)
    assert healing.lost(cp1, acknowledged) == set()


def test_a_paused_keeper_stands_back(cp1: Host) -> None:
    cp1.run("kubeception", "keeper", "pause", "--for", "10m")
    cp1.run("nft", "delete", "table", "ip", "kubeception-door")

    until(lambda: "paused until" in cluster.status(cp1), timeout_s=30)
    assert not answers(cp1)
    assert "there is no door" in cluster.status(cp1)

    cp1.run("kubeception", "keeper", "resume")
    until(lambda: answers(cp1), timeout_s=6)


def test_the_keeper_is_small_and_quiet(cp1: Host, note: Note) -> None:
    spent_ns = accounted(cp1, keeper.UNIT)
    quiet_s = 120 if IS_SOAK else 30

    before_ns = spent_ns()
    time.sleep(quiet_s)  # what is measured is a length of time
    share = (spent_ns() - before_ns) / 1e9 / quiet_s
    pid = pid_of(cp1, keeper.UNIT)
    resident = next(
        line for line in cp1.get(f"/proc/{pid}/status").splitlines() if line.startswith("VmRSS")
    )
    resident_mb = int(resident.split()[1]) / 1000

    note(f"keeper: {resident_mb:.0f} MB resident, {share:.2%} of a core in {quiet_s} s")
    assert resident_mb <= 60
    assert share <= scaled(0.01)


def accounted(host: Host, unit: str) -> Callable[[], int]:
    """Return what tells the processor time (ns) of a unit's cgroup, its ended children's too.

    With cgroup v1 a unit has none that counts, unless all of its slice are made to: then it gets
    one here.
    """
    own = f"/sys/fs/cgroup/system.slice/{unit}/cpu.stat"
    if host.run("test", "-e", own, check=False).code == 0:
        return lambda: int(host.get(own).split()[1]) * 1000
    group = f"/sys/fs/cgroup/cpuacct/{unit}"
    host.run("mkdir", "-p", group)
    host.run("bash", "-c", f"echo {pid_of(host, unit)} > {group}/cgroup.procs")
    return lambda: int(host.get(f"{group}/cpuacct.usage"))


def pid_of(host: Host, unit: str) -> str:
    return host.run("systemctl", "show", "--value", "-p", "MainPID", unit).stdout.strip()
