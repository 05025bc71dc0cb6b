"""Network namespaces: nothing in them is of this machine, and nothing of them stays."""

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

from kubeception.bundle import packages
from kubeception.host.process import run

CLONE_NEWNET = 0x40000000
OWN = Path("/proc/thread-self/ns/net")

libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def new() -> Iterator[Path]:
    """Put this thread into a new network for the length of the block; yields a path of it.

    The programs and threads that are started inside are in it as well.
    """
    packages.ensure({"nftables": "nft", "iproute2": "ip"})
    with OWN.open() as before:
        assert libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        try:
            run(["ip", "link", "set", "lo", "up"])
            with OWN.open() as made:
                yield Path(f"/proc/{os.getpid()}/fd/{made.fileno()}")
        finally:
            assert libc.setns(before.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
