"""What connections are checked by: made once for each content of its files, as it is slow to make.

Reading a CA and making OpenSSL's tables takes 7 ms, which a connection that is made every other
second pays again and again.
"""

import functools
import ssl
from pathlib import Path


def context(ca: Path, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """Return a client's context that believes one CA, with a certificate of its own if given.

    Files that are other ones by now are read anew. Nobody changes what is returned.

    Raises:
        OSError: one of them can't be read, and is named; or is no certificate or key.
    """
    given = [path for path in (ca, certificate, key) if path]
    return _made(ca, certificate, key, tuple(map(_signature, given)))


def _signature(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: no such file") from error
    # What is put in place of something that is gone may get its number.
    return found.st_dev, found.st_ino, found.st_ctime_ns


@functools.lru_cache(maxsize=8)
def _made(
    ca: Path, certificate: Path | None, key: Path | None, _files: tuple[tuple[int, ...], ...]
) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(ca))
    if certificate:
        made.load_cert_chain(certificate, key)
    return made
