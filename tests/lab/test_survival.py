"""A bootstrap that was killed anywhere is finished by the next one."""

import contextlib
import os
import random
import subprocess

import pytest
from tests.lab import cluster
from tests.lab.conftest import Names, Note

from kubeception.lab import Host, Lab

KILLS = int(os.environ.get("KUBECEPTION_KILLS", "5"))
# What a run takes from start to end on two cores; a moment after its end kills nothing.
RUN_S = 20.0


@pytest.mark.timeout(KILLS * 240)
def test_a_killed_bootstrap_is_finished_by_the_next_one(new_name: Names, note: Note) -> None:
    seed = random.randrange(10_000)
    chance = random.Random(seed)
    moments = [RUN_S * (n + chance.random()) / KILLS for n in range(KILLS)]
    note(f"bootstrap killed (seed {seed}) after {', '.join(f'{m:.1f}' for m in moments)} s")

    for moment in moments:
        lab = Lab(new_name())
        try:
            lab.up(bundle=cluster.bundle_folder())
            cp1 = lab.host("cp1")
            cluster.configure(cp1)
            phase = _kill_after(cp1, moment)
            cluster.bootstrap(cp1)

            assert cluster.unhealthy(cp1) == [], f"seed {seed}: killed after {moment:.1f} s {phase}"
        finally:
            lab.down()


def _kill_after(host: Host, moment_s: float) -> str:
    """Start bootstrap and kill it; return the last thing that it said."""
    running = subprocess.Popen(
        host.command("kubeception", "bootstrap"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        running.wait(timeout=moment_s)
    except subprocess.TimeoutExpired:
        running.kill()  # and the kernel kills bootstrap with it
    _, log = running.communicate()
    return log.splitlines()[-1] if log else "before its first word"


@pytest.mark.timeout(240)
def test_an_interrupted_bootstrap_says_so_and_is_finished_by_the_next_one(
    new_name: Names, note: Note
) -> None:
    seed = random.randrange(10_000)
    moment = RUN_S * random.Random(seed).uniform(0.1, 0.5)
    lab = Lab(new_name())
    try:
        lab.up(bundle=cluster.bundle_folder())
        cp1 = lab.host("cp1")
        cluster.configure(cp1)
        running = subprocess.Popen(
            cp1.command("kubeception", "bootstrap"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(timeout=moment)
        cp1.run("pkill", "--signal", "INT", "--full", "kubeception bootstrap")
        _, log = running.communicate(timeout=60)
        note(f"bootstrap interrupted (seed {seed}) after {moment:.1f} s")
        cluster.bootstrap(cp1)

        assert running.returncode == 130, log
        assert log.splitlines()[-1] == (
            "error: interrupted; running the same command again goes on from here"
        )
        assert cluster.unhealthy(cp1) == [], f"seed {seed}"
    finally:
        lab.down()
