"""How much longer than on a quiet machine things may take in this run: measured once, at its start.

Power cuts and reboots are promised in plain seconds; every other limit of the lab's tests is one of
a quiet machine with two cores, times this.
"""

import os
import subprocess
import sys
import time

# All processes of a run have the same.
SLOWNESS = "KUBECEPTION_SLOWNESS"
MOST = 6.0
# What it takes where nothing else runs: one such process a core.
_WORK = "for _ in range(8): sum(n * n for n in range(1_000_000))"
_QUIET_S = 0.5


def slowness() -> float:
    """Return by what a limit is multiplied: from 1 to 6; it is 1 where nothing was measured."""
    return float(os.environ.get(SLOWNESS, "1"))


def scaled(limit_s: float) -> float:
    """Return a limit of a quiet machine as it is for this run."""
    return limit_s * slowness()


def measure(*, labs: int) -> None:
    """Keep every core as busy as so many labs do, each by itself, and note how long that takes."""
    if SLOWNESS not in os.environ:
        share = _took_s(labs * (os.cpu_count() or 1)) / _QUIET_S
        # A faster machine shares its disk among labs as well.
        os.environ[SLOWNESS] = f"{min(max(share, float(labs)), MOST):.2f}"


def _took_s(count: int) -> float:
    started = time.monotonic()
    running = [subprocess.Popen([sys.executable, "-ISc", _WORK]) for _ in range(count)]
    for one in running:
        one.wait()
    return time.monotonic() - started
