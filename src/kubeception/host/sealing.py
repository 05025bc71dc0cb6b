"""Seal a stream to somebody's public key, and open it with the private one.

The format is age's (https://age-encryption.org/v1), so that other tools open it, too. What was
changed or cut off is told, and so is another key.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import pyrage

from kubeception.errors import KubeceptionError

_PRIVATE = "AGE-SECRET-KEY-"


class _Nowhere:
    """Takes what is written and keeps nothing."""

    def write(self, content: bytes) -> int:
        return len(content)

    def flush(self) -> None:
        pass


def new_key() -> tuple[str, str]:
    """Return a new private key and its public one, each as a line of text."""
    made = pyrage.x25519.Identity.generate()
    return str(made), str(made.to_public())


def problem(recipient: str) -> str | None:
    """Say why a text is no public key to seal to, or None."""
    try:
        pyrage.x25519.Recipient.from_str(recipient)
    except pyrage.RecipientError as error:
        return f"{recipient!r} is no public key of age, which begins with age1: {error}"
    return None


def public_keys(path: Path) -> list[str]:
    """Return the public keys of those private ones that a file has.

    Raises:
        KubeceptionError: it has none.
    """
    return [str(key.to_public()) for key in _keys(path)]


def seal(write: Callable[[IO[bytes]], None], recipients: list[str], to: IO[bytes]) -> None:
    """Seal to some public keys what is written, and put it into a file."""
    known = [pyrage.x25519.Recipient.from_str(one) for one in recipients]
    with _piped(write) as source:
        pyrage.encrypt_io(source, to, known)


def verify(path: Path, key: Path) -> None:
    """Read a sealed file to its end.

    Raises:
        KubeceptionError: it was changed or cut off, or is sealed to another key.
    """
    with path.open("rb") as source:
        _opened(path, key, source, _Nowhere())


def read(path: Path, key: Path, take: Callable[[IO[bytes]], None]) -> None:
    """Open a sealed file, and have its content taken as it comes.

    Raises:
        KubeceptionError: it was changed or cut off, or is sealed to another key.
    """

    def write(to: IO[bytes]) -> None:
        with path.open("rb") as source:
            _opened(path, key, source, to)

    with _piped(write) as content:
        take(content)
        while content.read(1 << 20):  # what follows is of no interest, but has to be as it was
            pass


def _opened(path: Path, key: Path, source: IO[bytes], to: object) -> None:
    try:
        pyrage.decrypt_io(source, to, _keys(key))
    except (pyrage.DecryptError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        if "No matching keys" in str(error):
            raise KubeceptionError(
                f"{path}: is not sealed to the key in {key}, or was changed at its beginning"
            ) from error
        raise KubeceptionError(
            f"{path}: is not what was sealed: it was changed or cut off, or never was a backup"
        ) from error


def _keys(path: Path) -> list["pyrage.x25519.Identity"]:
    lines = (line.strip() for line in path.read_text(errors="replace").splitlines())
    try:
        found = [pyrage.x25519.Identity.from_str(x) for x in lines if x.startswith(_PRIVATE)]
    except pyrage.IdentityError as error:
        raise KubeceptionError(f"{path}: a private key of age can't be read: {error}") from error
    if not found:
        raise KubeceptionError(
            f"{path}: has no private key of age",
            hint="kubeception backup keygen, or age-keygen, writes such a file",
        )
    return found


@contextlib.contextmanager
def _piped(write: Callable[[IO[bytes]], None]) -> Iterator[IO[bytes]]:
    """Give what is written meanwhile, to be read; what fails there, fails here."""
    out, into = os.pipe()

    def work() -> None:
        with os.fdopen(into, "wb") as sink:
            write(sink)

    with ThreadPoolExecutor(1) as pool, os.fdopen(out, "rb") as source:
        writing = pool.submit(work)
        try:
            yield source
        except BaseException as error:
            source.close()  # who writes is told that nobody reads any more
            first = writing.exception()
            if first is not None and not isinstance(first, BrokenPipeError):
                raise first from error
            raise
        writing.result()
