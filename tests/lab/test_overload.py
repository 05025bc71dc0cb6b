"""A host with far more to do than it can: what is only slow is left alone, and that is said."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.conftest import Note
from tests.lab import cluster
from tests.lab.cluster import bootstrap, kubectl, until
from tests.lab.lot import IS_SOAK

from kubeception.lab import Host, Lab

pytestmark = [pytest.mark.hosts(1, bundle=True), pytest.mark.timeout(1800)]

# Fifty for each core of the smallest machine that CI has.
TASKS = 100
FOR_S = 600 if IS_SOAK else 60
SPIN = f"for n in $(seq {TASKS}); do (while :; do :; done) & done; wait"


@pytest.fixture(scope="module")
def cp1(lab: Lab) -> Host:
    [host] = lab.hosts()
    cluster.configure(host)
    bootstrap(host)
    cluster.settle(host)
    return host


@contextmanager
def busy(host: Host) -> Iterator[None]:
    """Have a unit of the host's system.slice want every core, many times over."""
    host.run("systemd-run", "--quiet", "--unit=busy", "sh", "-c", SPIN)
    try:
        yield
    finally:
        host.run("systemctl", "kill", "--signal=KILL", "busy.service")


def containers(host: Host) -> dict[str, str]:
    """Return the id of every container that runs, by its name."""
    said = json.loads(host.run("crictl", "ps", "-o", "json", timeout_s=120).stdout)
    return {one["metadata"]["name"]: one["id"] for one in said["containers"]}


def test_nothing_is_killed_that_is_only_slow(cp1: Host, note: Note) -> None:
    before, units = containers(cp1), cluster.units(cp1)
    since = cp1.run("date", "+%s").stdout.strip()
    answered: list[float] = []
    with busy(cp1):
        asked_s = time.monotonic()
        until(lambda: "overloaded" in status(cp1), timeout_s=90)
        note(f"status said so after {time.monotonic() - asked_s:.0f} s")
        run = bootstrap(cp1)
        ends_s = time.monotonic() + FOR_S
        while time.monotonic() < ends_s:
            asked_s = time.monotonic()
            kubectl(cp1, "get", "namespace", "default", "--request-timeout=60s")
            answered.append(time.monotonic() - asked_s)
            time.sleep(1)
        during, told = containers(cp1), status(cp1)
    said = cp1.run(
        *("journalctl", "-u", "kubeception-keeper", "--output=cat", f"--since=@{since}")
    ).stdout
    slowest_s = max(answered)
    note(f"a bootstrap took {run.wall_s:.0f} s, the slowest of {len(answered)} {slowest_s:.1f} s")
    note(f"the keeper: {said}")
    [why] = re.findall(r"this machine is overloaded: .+", told)
    note(f"status, at the end: {why}")
    assert re.search(r"a load average of \d+ on \d+ cores", why)
    assert run.changes == []
    # Nor does any of the keeper's own change anything.
    changes = re.findall(r"bootstrap: \d+ phases, (\d+) changes", said)
    note(f"the keeper has bootstrapped {len(changes)} times")
    assert set(changes) <= {"0"}
    assert during == before
    assert cluster.units(cp1) == units
    assert len(answered) > FOR_S / 10
    cluster.settle(cp1)


def status(host: Host) -> str:
    """Return what status says, however long that takes."""
    return host.run("kubeception", "status", check=False, timeout_s=600).stdout
