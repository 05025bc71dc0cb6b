"""Work that is done in a child of this process, so that it may be killed at any of its steps."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from kubeception import crash

Work = Callable[[], object]


def ended(work: Work, *, at: str | None = None, log: Path | None = None) -> int:
    """Do some work; return the child's exit code, or the signal that ended it as a negative."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if at is not None:
                os.environ[crash.AT] = at
            if log is not None:
                os.environ[crash.LOG] = str(log)
            work()
            code = 0
        except BaseException:  # noqa: BLE001 - nothing of the child may get into the test run
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def ratchet(work: Work, *, log: Path) -> list[str]:
    """Do the work again and again, each time killed at a new step, until it ends; return them."""
    kills = 0
    while (code := ended(work, at=crash.NEXT, log=log)) == -signal.SIGKILL:
        kills += 1
    assert code == 0
    steps = _read(log)
    assert kills == len(steps)
    return steps


def steps_of(work: Work, *, log: Path) -> list[str]:
    """Do the work once, undisturbed, and return its steps."""
    assert ended(work, log=log) == 0
    return _read(log)


def _read(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []
