"""Whoever belongs in gets in: past two hosts full of clients that hang on, and out of a crowd."""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests import crowd
from tests.lab import cluster, joining
from tests.lab.conftest import Note
from tests.lab.machine import scaled

from kubeception.config import Config
from kubeception.join import slots
from kubeception.lab import Host, Lab

pytestmark = [pytest.mark.hosts(3, bundle=True), pytest.mark.timeout(400)]

REPOSITORY = Path(__file__).parents[2]
SLOW_CLIENTS = 1_000  # of each of two hosts
JOIN_S = 2.0
ALL_JOINED_S = 60.0


@pytest.fixture(scope="module")
def administrator(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files by which a new cluster's administrator asks its API and makes tokens."""
    cp1 = lab.host("cp1")
    cluster.configure(cp1)
    cluster.bootstrap(cp1)
    pki, root = Config().layout.pki, tmp_path_factory.mktemp("administrator")
    for path in (
        pki.ca.certificate,
        pki.join_ca.certificate,
        pki.admin.certificate,
        pki.admin.key,
    ):
        here = root / path.relative_to("/")
        here.parent.mkdir(parents=True, exist_ok=True)
        here.write_text(cp1.get(path))
    return root


def join(lab: Lab, administrator: Path, network: int, count: int, how: str) -> list[float]:
    """Have hosts join that are none, and return how many seconds each took."""
    argv = ("nsenter", f"--net={lab.place.network}", sys.executable, "-m", joining.__name__)
    asked = (administrator, lab.host("cp1").address, network, count, how)
    done = subprocess.run(
        [*argv, *map(str, asked)], cwd=REPOSITORY, stdout=subprocess.PIPE, check=True
    )
    said = json.loads(done.stdout)
    assert [status for status, _ in said] == [200] * count
    return sorted(seconds for _, seconds in said)


def held(cp1: Host) -> int:
    """Return how many descriptors the join service has open."""
    count = "ls /proc/$(pgrep -fo 'kubeception serve')/fd | wc -l"
    return int(cp1.run("sh", "-c", count).stdout)


@contextmanager
def hanging_on(host: Host, *, at: Host) -> Iterator[None]:
    """Have a host's clients hang on to another one's join service for the length of the block."""
    host.put("/root/crowd.py", Path(crowd.__file__).read_text())
    there = (at.address, str(joining.PORT), str(SLOW_CLIENTS))
    argv = host.command("python3", "/root/crowd.py", *there)
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        yield
        said, _ = running.communicate(timeout=scaled(60))
        assert int(said) > SLOW_CLIENTS  # they came back when they were shown out


def test_slow_connections_from_two_hosts_hold_nobody_up(
    administrator: Path, lab: Lab, hosts: list[Host], note: Note
) -> None:
    cp1, *others = hosts
    with ExitStack() as block:
        for other in others:
            block.enter_context(hanging_on(other, at=cp1))
        cluster.until(lambda: held(cp1) > 1.9 * SLOW_CLIENTS, timeout_s=30)
        took = join(lab, administrator, 7, 50, "one-by-one")
        # They are shown out after a while, and come back.
        cluster.until(lambda: held(cp1) > 1.5 * SLOW_CLIENTS, timeout_s=2 * slots.HANDSHAKE_S)

    note(
        f"join beside {2 * SLOW_CLIENTS} slow connections from two hosts:"
        f" {statistics.median(took):.2f} s (p99 of {len(took)}: {took[-1]:.2f} s)"
    )
    assert took[-1] <= scaled(JOIN_S)


def test_two_hundred_hosts_join_at_once(
    administrator: Path, lab: Lab, hosts: list[Host], note: Note
) -> None:
    assert len(hosts) == 3
    took = join(lab, administrator, 8, 200, "at-once")

    note(f"{len(took)} hosts join at once: the last after {took[-1]:.1f} s")
    assert took[-1] <= scaled(ALL_JOINED_S)
