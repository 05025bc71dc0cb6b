"""HTTP/1.1 on one connection: a request, its answer, and the next one, each within small limits.

What is read is RFC 9112 without all that it makes optional or calls obsolete: no transfer coding,
no other version, no folded line. Whatever a proxy in between might read in another way is refused,
and ends the connection. What is asked for is decided elsewhere.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from kubeception.join.wire import BODY_BYTES

HEADER_BYTES = 8 * 1024
HEADERS_S = 3.0
BODY_S = 3.0
IDLE_S = 5.0
WHOLE_S = 15.0
# On one connection. A host that joins makes two; answers that nobody reads are kept.
REQUESTS = 100
_CHUNK = 4096
# What somebody still sends after a refusal is read for so long, or the answer would be lost on it.
_LINGER_S = 0.5
_LINGER_BYTES = 64 * 1024
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110, 5.6.2
_REQUEST_LINE = re.compile(rf"({_TOKEN}) ([!-~]+) HTTP/1\.1\r\n")
_FIELD_LINE = re.compile(rf"({_TOKEN}):([\t -~]*)\r\n")
_HOST = re.compile(r"(\[[0-9A-Za-z:.%]+\]|[0-9A-Za-z._-]+)(:[0-9]*)?")
_LENGTH = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True)
class Request:
    """A request; names of headers are in lower case, values of equal ones joined by commas."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Response:
    """An answer; `retry_after_s` tells when to ask again."""

    status: int
    body: bytes
    content_type: str = "application/json"
    retry_after_s: int | None = None


class Malformed(Exception):
    """What came is no request that is taken; says which 4xx it gets."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class Http1Connection:
    """The requests and answers of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._method = ""

    async def talk(
        self,
        *,
        answer: Callable[[Request], Awaitable[Response]],
        refusal: Callable[[int], Response],
    ) -> None:
        """Answer one request after the other, until either side has had enough.

        Who takes too long, or leaves, gets no answer, but the end of the connection.
        """
        try:
            await self._converse(answer)
        except Malformed as error:
            status = error.status
        except asyncio.LimitOverrunError:
            status = 431
        except (asyncio.IncompleteReadError, TimeoutError):
            return
        else:
            return
        # Out here, or what fails now would keep the error, and with it a connection's memory.
        await self._write(refusal(status), is_last=True)
        await self._linger()

    async def _converse(self, answer: Callable[[Request], Awaitable[Response]]) -> None:
        wait_s, left, is_last = HEADERS_S, REQUESTS, False
        while not is_last:
            async with asyncio.timeout(wait_s + WHOLE_S):
                asked = await self._read(wait_s)
                wait_s, left = IDLE_S, left - 1
                is_last = not left or "close" in asked.headers.get("connection", "").lower()
                await self._write(await answer(asked), is_last=is_last)
            # Who sends many at once takes turns with everybody else, and is seen to leave.
            await asyncio.sleep(0)

    async def _read(self, wait_s: float) -> Request:
        self._method = ""
        async with asyncio.timeout(wait_s):
            (method, target), *lines = await self._head()
        self._method = method
        headers: dict[str, str] = {}
        for name, value in ((name.lower(), value.strip(" \t")) for name, value in lines):
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        length = _body_length(method, headers)
        async with asyncio.timeout(BODY_S):
            return Request(method, target, headers, await self._reader.readexactly(length))

    async def _head(self) -> list[tuple[str, ...]]:
        """Return the two parts of the request line, and those of each header.

        Each line is looked at as it comes: one that is none might be followed by nothing.
        """
        parts: list[tuple[str, ...]] = []
        left, form = HEADER_BYTES, _REQUEST_LINE
        while (line := await self._reader.readuntil()) != b"\r\n" or not parts:
            left -= len(line)
            found = form.fullmatch(line.decode("latin-1"))
            if left < 0 or not found:
                raise Malformed(431 if left < 0 else 400)
            parts.append(found.groups())
            form = _FIELD_LINE
        return parts

    async def _write(self, reply: Response, *, is_last: bool = False) -> None:
        lines = [
            f"HTTP/1.1 {reply.status} ",
            f"content-length: {len(reply.body)}",
            f"content-type: {reply.content_type}",
        ]
        if reply.retry_after_s is not None:
            lines.append(f"retry-after: {reply.retry_after_s}")
        if is_last:
            lines.append("connection: close")
        body = b"" if self._method == "HEAD" else reply.body
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await self._writer.drain()

    async def _linger(self) -> None:
        left = _LINGER_BYTES
        async with asyncio.timeout(_LINGER_S):
            while left > 0 and (more := await self._reader.read(_CHUNK)):
                left -= len(more)


def _body_length(method: str, headers: Mapping[str, str]) -> int:
    """Return how long a body is; refuse where that, or whom it is for, could be taken otherwise."""
    length = headers.get("content-length", "0")
    is_plain = _LENGTH.fullmatch(length) and _HOST.fullmatch(headers.get("host", ""))
    if not is_plain or "transfer-encoding" in headers:
        raise Malformed(400)
    if int(length) > BODY_BYTES:
        raise Malformed(413)
    if int(length) and method != "POST":
        raise Malformed(400)
    if "expect" in headers:  # its sender would hold the body back
        raise Malformed(417)
    return int(length)
