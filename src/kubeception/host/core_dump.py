"""Core dumps: a process that knows a secret leaves none, whatever ends it."""

import ctypes
import os

_PR_SET_DUMPABLE = 4  # prctl(2)


def refuse() -> None:
    """Have the kernel write no core dump of this process, to a file or to a program.

    A limit would not do: it says nothing of dumps that go to a program (core(5)).
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
