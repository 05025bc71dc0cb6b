"""The programs that this process has started, and what those have started.

systemd calls a unit stopped once its last process has ended. By cgroups of version 1 in a container
it may not hear of one that is not its own child, and Debian's waits for TimeoutStopSec then (bug
784720). So whoever runs as a unit ends them first.
"""

import contextlib
import ctypes
import os
import signal
import threading
import time
from pathlib import Path

from kubeception.errors import KubeceptionError

_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
_LOOK_EVERY_S = 0.01
# One that waits for a disk ends when it has its answer.
_PATIENCE_S = 5.0
_ENDED = b"Z"

# Held while one is started. A lock by itself, and no block of ours around it: a signal's handler
# may end this process at any line, and only a lock that `with` takes is free then.
starting = threading.Lock()
_is_over = False


def refuse_if_over() -> None:
    """Go on only while this process may start any.

    Raises:
        KubeceptionError: it is ending.
    """
    if _is_over:
        raise KubeceptionError("no program is started any more: this process is ending")


def end(*, proc: Path = Path("/proc")) -> None:
    """Start none any more, and kill all that there are; returns once they have ended.

    Who has started one reaps it, or init does: whoever is left without its code takes it for 0.
    """
    global _is_over
    with starting:
        _is_over = True
    # Whoever loses its parent by this becomes a child of ours.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    until_s = time.monotonic() + _PATIENCE_S
    while (some := _of(os.getpid(), proc)) and time.monotonic() < until_s:
        for pid in some:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_LOOK_EVERY_S)


def _of(ancestor: int, proc: Path) -> list[int]:
    """Return the descendants of a process that have not ended."""
    children: dict[int, list[int]] = {}
    ended = set()
    for folder in proc.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just gone
            # The name before may have spaces, brackets and half a letter, see proc_pid_stat(5).
            state, parent, *_ = (folder / "stat").read_bytes().rpartition(b")")[2].split()
            children.setdefault(int(parent), []).append(int(folder.name))
            if state == _ENDED:
                ended.add(int(folder.name))
    found, queue = [], [ancestor]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return [pid for pid in found if pid not in ended]
