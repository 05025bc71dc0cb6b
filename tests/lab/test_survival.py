"""A bootstrap that was killed anywhere is finished by the next one."""

import contextlib
import os
import random
import subprocess
import time
from collections.abc import Iterator

import pytest
from tests.lab import cluster
from tests.lab.conftest import Names, Note
from tests.lab.lot import SEED

from kubeception.lab import Host, Lab

KILLS = int(os.environ.get("KUBECEPTION_KILLS", "2"))
KILLED = {-9, 128 + 9}
# A run may be faster than the one that was measured; then its moment is drawn anew, earlier.
DRAWS = 3


@pytest.fixture(scope="module")
def whole_s(new_name: Names, note: Note) -> float:
    """How long a bootstrap takes that is left alone."""
    with new_host(new_name) as cp1:
        took_s = cluster.bootstrap(cp1).wall_s
    note(f"a bootstrap that is left alone takes {took_s:.1f} s")
    return took_s


@contextlib.contextmanager
def new_host(new_name: Names) -> Iterator[Host]:
    """Give a host with a bundle and a configuration, and nothing else; it goes with the block."""
    lab = Lab(new_name())
    try:
        lab.up(bundle=cluster.bundle_folder())
        cp1 = lab.host("cp1")
        cluster.configure(cp1)
        yield cp1
    finally:
        lab.down()


def started(host: Host) -> "subprocess.Popen[str]":
    """Start a bootstrap."""
    argv = host.command("kubeception", "bootstrap")
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


@pytest.mark.timeout(KILLS * 240)
def test_a_killed_bootstrap_is_finished_by_the_next_one(
    whole_s: float, new_name: Names, note: Note
) -> None:
    chance = random.Random(SEED)
    moments: list[str] = []
    for number in range(KILLS):
        earliest, length_s = number / KILLS, whole_s
        for _ in range(DRAWS):
            moment_s = length_s * (earliest + chance.random() / KILLS)
            with new_host(new_name) as cp1:
                length_s, code, phase = _kill_after(cp1, moment_s)
                if code not in KILLED:  # the run was over before
                    assert code == 0, phase
                    continue
                moments.append(f"{moment_s:.1f} s ({phase})")
                cluster.bootstrap(cp1)

                cluster.settle(cp1, why=f"seed {SEED}: killed after {moments[-1]}")
                break
        assert len(moments) == number + 1, f"seed {SEED}: no run was still under way"
    note(f"bootstrap killed after {', '.join(moments)}")


def _kill_after(host: Host, moment_s: float) -> tuple[float, int, str]:
    """Start bootstrap and kill it; return how long it ran, how it ended and the last it said."""
    began_s = time.monotonic()
    running = started(host)
    with contextlib.suppress(subprocess.TimeoutExpired):
        running.wait(timeout=moment_s)
    ran_s = time.monotonic() - began_s
    running.kill()  # and the kernel kills bootstrap with it
    _, log = running.communicate()
    return ran_s, running.returncode, log.splitlines()[-1] if log else "before its first word"


@pytest.mark.timeout(240)
def test_an_interrupted_bootstrap_says_so_and_is_finished_by_the_next_one(
    whole_s: float, new_name: Names, note: Note
) -> None:
    moment_s = whole_s * random.Random(SEED).uniform(0.1, 0.3)
    with new_host(new_name) as cp1:
        running = started(cp1)
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(timeout=moment_s)
        cp1.run("pkill", "--signal", "INT", "--full", "kubeception bootstrap")
        _, log = running.communicate(timeout=60)
        note(f"bootstrap interrupted after {moment_s:.1f} s")
        cluster.bootstrap(cp1)

        assert running.returncode == 130, log
        assert log.splitlines()[-1] == (
            "error: interrupted; running the same command again goes on from here"
        )
        cluster.settle(cp1, why=f"seed {SEED}")
