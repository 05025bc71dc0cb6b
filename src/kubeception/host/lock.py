"""One at a time: a lock that says who holds it and what for. A person goes before the keeper."""

import contextlib
import fcntl
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from kubeception.errors import Locked
from kubeception.host import files

log = logging.getLogger("kubeception.host")

# Whoever can read a file can lock it.
_MODE = 0o600
# For as long a person waits for who gives way, and for one who only looks who holds it.
PATIENCE_S, GLANCE_S = 60.0, 1.0
_POLL_S = 0.05
_TELL_EVERY_S = 10.0
# How often who gives way looks whether he should; between two reminders he may clean up.
_LOOK_EVERY_S, _REMIND_EVERY_S = 0.3, 5.0
_GIVES_WAY = "gives way"


class _GaveWay(BaseException):
    """Interrupts who gives way, as Ctrl-C does; nothing on the way takes it for a failure."""


@contextlib.contextmanager
def hold(path: Path, purpose: str, *, gives_way: bool = False) -> Iterator[None]:
    """Hold the lock at `path` for the length of the block.

    The kernel lets go of it when the process ends, however it ends. Who `gives_way` is interrupted
    as soon as somebody else wants it, who waits for that; it takes the main thread.

    Raises:
        Locked: another process holds it, named with its pid and purpose; or has wanted it.
    """
    files.make_folder(path.parent)
    with contextlib.ExitStack() as stack:
        wish = stack.enter_context(_opened(_wish(path)))
        if gives_way and (other := _said(_wish(path))):
            raise Locked(f"{path} is wanted by {other}")
        file = stack.enter_context(_opened(path))
        _take(file, path, wish=None if gives_way else wish, purpose=purpose)
        _say(file, purpose, *([_GIVES_WAY] if gives_way else []))
        stack.callback(file.truncate, 0)
        if gives_way:
            stack.enter_context(_giving_way(path))
        yield


@contextlib.contextmanager
def in_turn(path: Path, *, waits: bool = True) -> Iterator[bool]:
    """Be the only one at something that takes minutes, beside the host's lock; nobody is named.

    Yields whether that is so; who `waits` is, in the end.
    """
    files.make_folder(path.parent)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def interrupt(path: Path, purpose: str) -> None:
    """Have who gives way let go of the lock, and wait for that; who doesn't give way keeps it.

    Raises:
        Locked: who should give way does not.
    """
    try:
        with hold(path, purpose):
            pass
    except Locked:
        if _gives_way(path):
            raise


def holder(path: Path) -> str | None:
    """Return who holds the lock or waits for it, as it was said, or None where nobody does."""
    return _said(path) or _said(_wish(path))


def _wish(path: Path) -> Path:
    """Return where a person says that the lock is wanted: by a lock, too, held meanwhile."""
    return path.with_name(f"{path.name}.wanted")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    with files.told(path):
        opened = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, _MODE)
    os.fchmod(opened, _MODE)  # an earlier version's was everybody's to read
    with os.fdopen(opened, "a+") as file:
        yield file


def _take(file: IO[str], path: Path, *, wish: IO[str] | None, purpose: str) -> None:
    """Lock the file, where its holder gives way after a while, who learns that it is wanted.

    Raises:
        Locked: it is held by who doesn't give way, or not in time.
    """
    started, told = time.monotonic(), -_TELL_EVERY_S
    while not _locked(file):
        said, now = _content(file), time.monotonic()
        holder = said.partition("\n")[0] or "another process"
        if wish is None or now - started > _patience_s(said):
            hint = "wait for it to end, then run this again"
            raise Locked(f"{path} is held by {holder}", hint=hint)
        if _locked(wish):  # somebody else's wish is as good
            _say(wish, purpose)
        if said and now - told >= _TELL_EVERY_S:
            told = now
            log.info("waiting for %s to give way", holder)
        time.sleep(_POLL_S)


def _patience_s(said: str) -> float:
    """Return how long to wait for a holder; who looks who it is holds it, too, for a moment."""
    if not said:
        return GLANCE_S
    return PATIENCE_S if said.endswith(_GIVES_WAY) else 0.0


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _say(file: IO[str], *words: str) -> None:
    first, *more = words
    file.truncate(0)
    file.write("\n".join([f"pid {os.getpid()}: {first}", *more, ""]))
    file.flush()


def _content(file: IO[str]) -> str:
    file.seek(0)
    return file.read().strip()


def _said(path: Path) -> str | None:
    """Return who holds a lock, None where nobody does."""
    words = _words(path)
    return None if words is None else (words or "another process").splitlines()[0]


def _gives_way(path: Path) -> bool:
    return (_words(path) or "").endswith(_GIVES_WAY)


def _words(path: Path) -> str | None:
    """Return all that who holds a lock has said, None where nobody does."""
    try:
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _content(file)
    except FileNotFoundError:
        pass
    return None


@contextlib.contextmanager
def _giving_way(path: Path) -> Iterator[None]:
    """Interrupt the block as soon as a person wants the lock."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread alone
        return
    is_at_it, ended = True, threading.Event()
    wanted_by = ""

    def interrupt(_signal: int, _frame: object) -> None:
        if is_at_it:
            raise _GaveWay

    def watch() -> None:
        nonlocal wanted_by
        while not ended.wait(_REMIND_EVERY_S if wanted_by else _LOOK_EVERY_S):
            wanted_by = _said(_wish(path)) or ""
            if wanted_by:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    except _GaveWay:
        is_at_it = False
        raise Locked(f"gave way to {wanted_by}") from None
    finally:
        is_at_it = False
        ended.set()
        signal.signal(signal.SIGUSR1, before)
