"""Tests that mount, in namespaces of their own: nothing of it outlives them, whatever ends them."""

import ctypes
import functools
import os
from collections.abc import Callable
from typing import ParamSpec

from tests.killed import ended

from kubeception.host.process import run

Test = ParamSpec("Test")
# linux/sched.h
_NEW_MOUNTS, _NEW_PIDS = 0x00020000, 0x20000000


def apart(test: Callable[Test, None]) -> Callable[Test, None]:
    """Run a test where it is PID 1 of its own mounts, which makes them those of a host."""

    @functools.wraps(test)
    def wrapped(*args: Test.args, **kwargs: Test.kwargs) -> None:
        def work() -> None:
            _enter()
            assert ended(lambda: _tested(lambda: test(*args, **kwargs))) == 0

        assert ended(work) == 0, "see what it wrote to standard error"

    return wrapped


def _enter() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_MOUNTS | _NEW_PIDS):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _tested(test: Callable[[], None]) -> None:
    run(["mount", "--make-rprivate", "/"])
    run(["mount", "-t", "proc", "proc", "/proc"])
    test()
