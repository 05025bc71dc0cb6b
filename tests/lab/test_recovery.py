"""A control plane inside its cluster comes back by itself: after power cuts, reboots, and worse."""

import itertools
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
from tests.lab import cluster
from tests.lab.cluster import Requests, bootstrap, get, kubectl
from tests.lab.conftest import Note

from kubeception.lab import Host, Lab

NAMESPACE = "kube-system"
CUTS = int(os.environ.get("KUBECEPTION_CUTS", "2"))
# Acknowledged writes before a fault, and at most so many after it.
BEFORE, AFTER = 50, 200
WRITER = Path(__file__).with_name("writer.py")

pytestmark = [pytest.mark.hosts(1, bundle=True), pytest.mark.timeout(300 + CUTS * 200)]


@pytest.fixture(scope="module")
def made(lab: Lab) -> Host:
    cp1 = lab.host("cp1")
    cluster.configure(cp1)
    bootstrap(cp1)
    return cp1


@pytest.fixture
def cp1(made: Host, hosts: list[Host]) -> Host:
    # The fault before may still be mended: one at a time.
    until(lambda: "keeper: nothing" in said(hosts[0]), timeout_s=60)
    until(lambda: is_well(hosts[0]), timeout_s=3 * 30)
    assert cluster.unhealthy(hosts[0]) == []
    return hosts[0]


def said(host: Host) -> str:
    return host.run("kubeception", "status", check=False).stdout


def until(holds: Callable[[], bool], *, timeout_s: float) -> float:
    """Wait until something holds, and return for how long."""
    started = time.monotonic()
    while not holds():
        took_s = time.monotonic() - started
        assert took_s < timeout_s, f"not within {timeout_s} s"
        time.sleep(0.2)
    return time.monotonic() - started


def answers(host: Host) -> bool:
    ca = ("--cacert", "/etc/kubernetes/pki/ca.crt")
    ask = ("curl", "--silent", "--max-time", "2", *ca, "https://127.0.0.1:6443/readyz")
    return host.run(*ask, check=False).stdout == "ok"


def is_well(host: Host) -> bool:
    return host.run("kubeception", "status", check=False).code == 0 and all(
        map(cluster.is_ready, cluster.pods(host))
    )


def comes_back(host: Host, *, timeout_s: float) -> tuple[float, float]:
    """Wait until the API answers and until all is well; return both times."""
    api_s = until(lambda: answers(host), timeout_s=timeout_s)
    return api_s, api_s + until(lambda: is_well(host), timeout_s=timeout_s)


def write_and(cut: Callable[[], object], host: Host, batch: str) -> set[str]:
    """Write to the API until something cuts it off; return what was acknowledged."""
    host.put("/tmp/writer.py", WRITER.read_text())
    argv = host.command("python3", "/tmp/writer.py", batch)
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as writing:
        assert writing.stdout is not None
        acknowledged = {writing.stdout.readline().strip() for _ in range(BEFORE)}
        cut()
        acknowledged |= {line.strip() for line in itertools.islice(writing.stdout, AFTER)}
        writing.kill()  # where the cut was not of the whole host
    return acknowledged


def lost(host: Host, acknowledged: set[str]) -> set[str]:
    names = {item["metadata"]["name"] for item in get(host, "configmaps", "-n", "default")["items"]}
    return acknowledged - names


@pytest.mark.parametrize("how", ["power cut", "reboot"])
def test_a_host_comes_back_alone_with_every_acknowledged_write(
    cp1: Host, how: str, note: Note
) -> None:
    api, well, written = [], [], 0
    for number in range(CUTS):
        batch = f"{how.replace(' ', '-')}-{number}"
        if how == "reboot":
            acknowledged = write_and(cp1.reboot, cp1, batch)
        else:
            acknowledged = write_and(cp1.power_cut, cp1, batch)
            cp1.boot()

        api_s, well_s = comes_back(cp1, timeout_s=3 * 75)

        assert not lost(cp1, acknowledged)
        api.append(api_s)
        well.append(well_s)
        written += len(acknowledged)
    note(
        f"{how}: {CUTS} times back alone; API after {median(api):.1f} s (worst {max(api):.1f}), "
        f"all well after {median(well):.1f} s (worst {max(well):.1f}), {written} acknowledged "
        "writes, none lost"
    )


def test_all_controllers_deleted_at_once_come_back(cp1: Host, note: Note) -> None:
    labels = "component in (kube-controller-manager, kube-scheduler)"
    with Requests(cp1, "127.0.0.1") as requests:
        kubectl(cp1, "-n", NAMESPACE, "delete", "pods", "-l", labels, "--grace-period=1")
        well_s = until(lambda: is_well(cp1), timeout_s=3 * 40)

    note(f"all controllers deleted: all well after {well_s:.1f} s; requests {requests.result}")
    assert requests.result["failed"] == []


def test_a_deleted_api_server_pod_comes_back(cp1: Host, note: Note) -> None:
    pods = ("pods", "-l", "component=kube-apiserver")
    kubectl(cp1, "-n", NAMESPACE, "delete", *pods, "--wait=false")
    until(lambda: not answers(cp1), timeout_s=60)

    api_s, well_s = comes_back(cp1, timeout_s=3 * 60)

    note(f"API server pod deleted: gap of the API {api_s:.1f} s, all well after {well_s:.1f} s")


def test_a_killed_api_server_container_comes_back(cp1: Host, note: Note) -> None:
    cp1.run("pkill", "--signal", "KILL", "--exact", "kube-apiserver")

    api_s, well_s = comes_back(cp1, timeout_s=3 * 30)

    note(f"API server killed: gap of the API {api_s:.1f} s, all well after {well_s:.1f} s")


def test_a_door_that_is_gone_is_raised_again(cp1: Host, note: Note) -> None:
    before = cluster.door(cp1)
    cp1.run("nft", "flush", "ruleset")

    gap_s = until(lambda: answers(cp1), timeout_s=3 * 3)

    note(f"nftables flushed: gap of the API {gap_s:.1f} s")
    assert "tcp : 6445" in before and "tcp : 6445" in cluster.door(cp1)


def test_a_killed_etcd_comes_back_with_every_acknowledged_write(cp1: Host, note: Note) -> None:
    acknowledged = write_and(
        lambda: cp1.run("pkill", "--signal", "KILL", "--exact", "etcd"), cp1, "etcd"
    )

    api_s, _ = comes_back(cp1, timeout_s=3 * 30)

    note(
        f"etcd killed: API after {api_s:.1f} s, {len(acknowledged)} acknowledged writes, none lost"
    )
    assert not lost(cp1, acknowledged)


@pytest.mark.parametrize("unit", ["kubelet", "containerd"])
def test_a_killed_unit_comes_back_and_pods_stay(cp1: Host, unit: str) -> None:
    before = {pod["metadata"]["uid"] for pod in cluster.pods(cp1)}
    cp1.run("systemctl", "kill", "--signal", "KILL", unit)

    until(lambda: is_well(cp1), timeout_s=3 * 30)

    assert {pod["metadata"]["uid"] for pod in cluster.pods(cp1)} == before


def test_a_paused_keeper_stands_back(cp1: Host) -> None:
    cp1.run("kubeception", "keeper", "pause", "--for", "10m")
    cp1.run("nft", "delete", "table", "ip", "kubeception-door")

    until(lambda: "paused until" in said(cp1), timeout_s=30)
    assert not answers(cp1)
    assert "there is no door" in said(cp1)

    cp1.run("kubeception", "keeper", "resume")
    until(lambda: answers(cp1), timeout_s=3 * 3)


def test_the_keeper_is_small_and_quiet(cp1: Host, note: Note) -> None:
    pid = cp1.run(
        "systemctl", "show", "--value", "-p", "MainPID", "kubeception-keeper.service"
    ).stdout.strip()

    def spent_s() -> float:
        fields = cp1.get(f"/proc/{pid}/stat").rpartition(")")[2].split()
        # Its own and its ended children's user and system time; a tick is 10 ms.
        return sum(map(int, fields[11:15])) / 100

    quiet_s = 30
    before = spent_s()
    time.sleep(quiet_s)  # what is measured is a length of time
    share = (spent_s() - before) / quiet_s
    resident = next(
        line for line in cp1.get(f"/proc/{pid}/status").splitlines() if line.startswith("VmRSS")
    )
    resident_mb = int(resident.split()[1]) / 1000

    note(f"keeper: {resident_mb:.0f} MB resident, {share:.1%} of a core")
    assert resident_mb <= 60
    assert share <= 3 * 0.01
