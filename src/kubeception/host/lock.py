"""One at a time: a lock that says who holds it and what for."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from kubeception.errors import Locked
from kubeception.host import files

# Whoever can read a file can lock it.
_MODE = 0o600


@contextlib.contextmanager
def hold(path: Path, purpose: str) -> Iterator[None]:
    """Hold the lock at `path` for the length of the block.

    The kernel lets go of it when the process ends, however it ends.

    Raises:
        Locked: another process holds it; named with its pid and purpose.
    """
    files.make_folder(path.parent)
    with files.told(path):
        opened = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, _MODE)
    os.fchmod(opened, _MODE)  # an earlier version's was everybody's to read
    with os.fdopen(opened, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise Locked(
                f"{path} is held by {holder}", hint="wait for it to end, then run this again"
            ) from error
        file.truncate(0)
        file.write(f"pid {os.getpid()}: {purpose}\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def holder(path: Path) -> str | None:
    """Return who holds the lock, as it was said, or None where nobody does."""
    try:
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read().strip() or "another process"
    except FileNotFoundError:
        pass
    return None
