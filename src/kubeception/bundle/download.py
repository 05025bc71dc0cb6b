"""Files of a web server, which may be anybody's: bounded in size and time, and proven as they come.

What a file has to be, whoever asks for it knows beforehand. The time counts from the server's name
on to the last byte, so one that sends a byte now and then holds nobody up.
"""

import asyncio
import contextlib
import hashlib
import os
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from socket import SOCK_STREAM
from types import TracebackType

import httpx2

from kubeception.errors import KubeceptionError
from kubeception.host import files

# For the first byte; and as little as this a second is waited for after that.
PATIENCE_S = 60.0
SLOWEST_BYTES_S = 64 << 10
_SILENT_S = 30.0
_MOST_REDIRECTS = 5
_OK = 200


class Downloads:
    """Connections to web servers, which are kept for the next file."""

    def __init__(self, *, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        # What is packed on the way would be unpacked to any size.
        self._client = httpx2.AsyncClient(
            headers={"Accept-Encoding": "identity"},
            verify=ssl.create_default_context(),
            trust_env=False,
            timeout=_SILENT_S,
        )

    async def __aenter__(self) -> "Downloads":
        """Begin."""
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def content(self, url: str, *, most: int) -> bytes:
        """Return a small file.

        Raises:
            KubeceptionError: there is none, it is longer, or it does not come.
        """
        chunks: list[bytes] = []
        await self._receive(url, most, chunks.append, limit_s=self._patience_s)
        return b"".join(chunks)

    async def save(
        self, url: str, path: Path, *, size: int, sha256: str, note: Callable[[int], None]
    ) -> None:
        """Write a file of which size and content are known; `note` is told of each part.

        Raises:
            KubeceptionError: there is none, it is another one, it does not come, or the disk
                doesn't take it.
        """
        digest, got = hashlib.sha256(), 0
        with files.told(path), path.open("wb") as file:

            def take(chunk: bytes) -> None:
                nonlocal got
                got += len(chunk)
                digest.update(chunk)
                file.write(chunk)
                note(len(chunk))

            limit_s = self._patience_s + size / SLOWEST_BYTES_S
            await self._receive(url, size, take, limit_s=limit_s)
        if got < size:
            raise KubeceptionError(
                f"{url}: ends after {got} bytes instead of {size}", hint=_again(url)
            )
        if digest.hexdigest() != sha256:
            raise KubeceptionError(
                f"{url}: the content is not what the bundle's list says",
                hint="copy the bundle's folder to the server once more",
            )

    async def _receive(
        self, url: str, most: int, take: Callable[[bytes], None], *, limit_s: float
    ) -> None:
        got = 0
        with _told(url, limit_s):
            async with asyncio.timeout(limit_s), self._answer(url) as answer:
                async for chunk in answer.aiter_raw():
                    got += len(chunk)
                    if got > most:
                        raise KubeceptionError(
                            f"{url}: is longer than {most} bytes", hint=_again(url)
                        )
                    take(chunk)

    @contextlib.asynccontextmanager
    async def _answer(self, url: str) -> AsyncIterator[httpx2.Response]:
        """Ask for a file, wherever the server sends whoever asks."""
        at = httpx2.URL(url)
        for _ in range(_MOST_REDIRECTS + 1):
            async with self._client.stream("GET", at) as answer:
                if answer.status_code == _OK:
                    yield answer
                    return
                if answer.next_request is None:
                    what = f"the server answers {answer.status_code} {answer.reason_phrase}"
                    raise KubeceptionError(f"{at}: {what}", hint=_again(url))
                at = await following(at, answer.next_request.url)
        raise KubeceptionError(
            f"{url}: redirected more than {_MOST_REDIRECTS} times", hint=_again(url)
        )


async def following(at: httpx2.URL, to: httpx2.URL) -> httpx2.URL:
    """Go on to where a server sends us: not to what this host alone or its link answers.

    A machine's metadata, say, are nobody else's to ask for.

    Raises:
        KubeceptionError: there nobody goes.
    """
    if to.scheme not in {"http", "https"} or to.userinfo:
        raise KubeceptionError(
            f"{at}: redirected to what is no plain URL of http or https",
            hint=f"see where it leads: curl -I {at}",
        )
    if at.scheme == "https" and to.scheme == "http":
        raise KubeceptionError(
            f"{at}: redirected from https to http ({to})", hint=f"name the other one: {to}"
        )
    if to.host != at.host and (near := await _near(to) - await _near(at)):
        raise KubeceptionError(
            f"{at}: redirected to {to.host}, a {min(near)} address",
            hint=f"name the other one: {to}",
        )
    return to


async def _near(url: httpx2.URL) -> set[str]:
    """Return of which kinds the addresses of a server are that are not of a network."""
    loop, found = asyncio.get_running_loop(), set[str]()
    # Who asks there is told why; of names that can be none Python says so in its own way.
    with contextlib.suppress(OSError, UnicodeError):
        for *_, (host, *_) in await loop.getaddrinfo(url.host, url.port, type=SOCK_STREAM):
            address = ip_address(host)
            address = getattr(address, "ipv4_mapped", None) or address
            if address.is_loopback or address.is_unspecified:
                found.add("loopback")
            if address.is_link_local:
                found.add("link-local")
    return found


@contextlib.contextmanager
def _told(url: str, limit_s: float) -> Iterator[None]:
    """Tell what goes wrong on the way as an expected failure."""
    try:
        yield
    except TimeoutError as error:
        raise KubeceptionError(
            f"{url}: not here after {limit_s:.0f} s", hint=_again(url)
        ) from error
    except httpx2.InvalidURL as error:
        raise KubeceptionError(f"{url}: {error}", hint="name another one") from error
    except httpx2.HTTPError as error:
        found = _root(error)
        if isinstance(found, ssl.SSLCertVerificationError):
            what = f"its certificate is not trusted here: {found.verify_message}"
            hint = "have the host trust its CA (update-ca-certificates); or http, by the digest"
            raise KubeceptionError(f"{url}: {what}", hint=hint) from error
        raise KubeceptionError(f"{url}: {_words(found)}", hint=_again(url)) from error


def _words(error: BaseException) -> str:
    """Return what an error says; of the system's own the library leaves out why."""
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return said or f"no byte for {_SILENT_S:.0f} s"


def _root(error: BaseException) -> BaseException:
    """Return what has made an error: libraries between have less to say."""
    found, last = error.__cause__ or error.__context__, error
    while found is not None:
        if isinstance(found, OSError):
            last = found
        found = found.__cause__ or found.__context__
    return last


def _again(url: str) -> str:
    return f"curl -fL -o /dev/null {url}"
