"""A machine that has far too much to do: one core for this thread and many others."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from kubeception import pace

_OTHERS = 12


@contextlib.contextmanager
def machine() -> Iterator[float]:
    """Share one core with many for the length of the block; yields how slow that is."""
    free = os.sched_getaffinity(0)
    core = min(free)
    argv = ["taskset", "--cpu-list", str(core), sys.executable, "-c", "while True: pass"]
    with contextlib.ExitStack() as stack:
        for _ in range(_OTHERS):
            other = stack.enter_context(subprocess.Popen(argv))
            stack.callback(other.kill)
        os.sched_setaffinity(0, {core})
        stack.callback(os.sched_setaffinity, 0, free)
        found = pace.slowness()
        assert found > 2
        yield found
