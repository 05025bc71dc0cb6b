"""Run programs that end when we do: a killed `lab up` leaves nobody who still makes things."""

from collections.abc import Sequence
from pathlib import Path

from kubeception.host import process

# In front of a command: the kernel kills it when the thread that started it ends.
WITH_US = ("setpriv", "--pdeathsig", "KILL")


def run(argv: Sequence[str | Path], *, apart: Sequence[str] = ()) -> None:
    """Run a program to its end, or to ours, with all that it starts.

    It is the first process of a pid namespace, so the kernel kills the others with it. `apart` are
    unshare's flags for further namespaces of its own.
    """
    process.run([*WITH_US, "unshare", "--pid", "--fork", "--kill-child", *apart, *argv])
