"""How much slower than usual this machine is just now: limits are those of a quiet one.

A short piece of work is timed by the wall, so a slow processor counts, emulated perhaps, and so
does one that has far too much else to do.
"""

import threading
import time

MOST = 30.0
# For as long anybody is waited for who says no word; the keeper's watchdog has more patience.
LONGEST_S = 6.0
# Threads that measure at once would slow each other down.
_ONE = threading.Lock()
# What it takes on a quiet machine; one that takes three times as long is still as usual.
_WORK, _QUIET_S, _USUAL, _TOLERATED = 2_000_000, 0.05, 2.0, 1.5


def slowness() -> float:
    """Return by what a limit is to be multiplied, from 1 to 30; a usual machine needs 50 ms."""
    with _ONE:
        started = time.perf_counter()
        total = 0
        for n in range(_WORK):
            total += n & 7
        return of(time.perf_counter() - started)


def patience_s(usual_s: float) -> float:
    """Return how long to wait for who has said no word in that time: longer where all is slow."""
    return usual_s if usual_s >= LONGEST_S else min(usual_s * slowness(), LONGEST_S)


def of(took_s: float) -> float:
    """Return what it means that the work took so long."""
    found = min(took_s / (_QUIET_S * _USUAL), MOST)
    return found if found >= _TOLERATED else 1.0
