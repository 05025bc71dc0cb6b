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
from collections.abc import Iterator
from pathlib import Path

from kubeception.errors import KubeceptionError

_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
_LOOK_EVERY_S = 0.01
# One that waits for a disk ends when it has its answer.
_PATIENCE_S = 5.0

_starting = threading.Lock()
_is_over = False


@contextlib.contextmanager
def start() -> Iterator[None]:
    """Let the block start one.

    Raises:
        KubeceptionError: this process is ending, and starts none any more.
    """
    with _starting:
        if _is_over:
            raise KubeceptionError("no program is started any more: this process is ending")
        yield


def end(*, proc: Path = Path("/proc")) -> None:
    """Start none any more, and kill all that there are; returns once they are gone."""
    global _is_over
    with _starting:
        _is_over = True
    # Whoever loses its parent by this becomes a child of ours.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    until_s = time.monotonic() + _PATIENCE_S
    while (some := _of(os.getpid(), proc)) and time.monotonic() < until_s:
        for pid in some:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(_LOOK_EVERY_S)


def _of(ancestor: int, proc: Path) -> list[int]:
    """Return the descendants of a process, those that nobody has reaped among them."""
    children: dict[int, list[int]] = {}
    for folder in proc.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just gone
            # The name before may have spaces and brackets, see proc_pid_stat(5).
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            children.setdefault(int(parent), []).append(int(folder.name))
    found, queue = [], [ancestor]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found
