"""How much slower than usual this machine is just now: limits are those of a quiet one.

A short piece of work is timed by the wall, so a slow processor counts, emulated perhaps, and so
does one that has far too much else to do.
"""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

One = TypeVar("One")
MOST = 30.0
# For as long anybody is waited for who says no word, and for a program or an API that is at work;
# the keeper's watchdog has more patience.
LONGEST_S, LONGEST_AT_WORK_S = 6.0, 30.0
# Threads that measure at once would slow each other down.
_ONE = threading.Lock()
# What it takes on a quiet machine; one that takes three times as long is still as usual.
_WORK, _QUIET_S, _USUAL, _TOLERATED = 2_000_000, 0.05, 2.0, 1.5
_PARTS = 40


def slowness() -> float:
    """Return by what a limit is to be multiplied, from 1 to 30; a usual machine needs 50 ms."""
    with _ONE:
        started, started_cpu, took_s = time.perf_counter(), time.thread_time(), 0.0
        for part in range(1, _PARTS + 1):
            total = 0
            for n in range(_WORK // _PARTS):
                total += n & 7
            took_s = time.perf_counter() - started
            # Where the processor alone is too slow, the rest would be no news, and take seconds.
            alone_s = (time.thread_time() - started_cpu) * _PARTS / part
            if max(took_s, alone_s) >= _QUIET_S * _USUAL * MOST:
                return MOST
        return of(took_s)


def patience_s(usual_s: float, *, longest_s: float = LONGEST_S) -> float:
    """Return how long to wait for who has said no word in that time: longer where all is slow."""
    return usual_s if usual_s >= longest_s else min(usual_s * slowness(), longest_s)


def patiently(ask: Callable[[float], One], usual_s: float) -> One:
    """Return what is answered in a time: whoever says no word is only slow where everything is.

    Raises:
        TimeoutError: nobody has answered, nor in the time that is right for a machine so slow.
    """
    try:
        return ask(usual_s)
    except TimeoutError:
        if (slower_s := patience_s(usual_s)) == usual_s:
            raise
        return ask(slower_s)


def longer_s(usual_s: float, passed_s: float, slowness: float) -> float:
    """Return the limit that follows one which has passed: one that has, too, where none does.

    It is measured anew each time: a moment may be slow, and what follows it not.
    """
    return min(usual_s * slowness, passed_s + usual_s)


def of(took_s: float) -> float:
    """Return what it means that the work took so long."""
    found = min(took_s / (_QUIET_S * _USUAL), MOST)
    return found if found >= _TOLERATED else 1.0
