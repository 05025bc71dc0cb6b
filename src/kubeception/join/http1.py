"""HTTP/1.1 on one connection: a request, its answer, and the next one, each within small limits.

h11 reads and writes it; there is no framework, no compression, no redirect. What is asked for is
decided elsewhere.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import h11

from kubeception.join.wire import BODY_BYTES

HEADER_BYTES = 8 * 1024
HEADERS_S = 3.0
BODY_S = 3.0
IDLE_S = 5.0
WHOLE_S = 15.0
_CHUNK = 4096
# What somebody still sends after a refusal is read for so long, or the answer would be lost on it.
_LINGER_S = 0.5
_LINGER_BYTES = 64 * 1024


@dataclass(frozen=True)
class Request:
    """A request; header names are in lower case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str:
        """Return a header's values; "" where there is none."""
        return ", ".join(value for one, value in self.headers if one == name)


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
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEADER_BYTES)
        self._method = ""

    async def talk(
        self,
        *,
        answer: Callable[[Request], Awaitable[Response]],
        refusal: Callable[[int], Response],
    ) -> None:
        """Answer one request after the other, until either side has had enough.

        Who takes too long gets no answer, but the end of the connection.
        """
        try:
            await self._converse(answer)
        except Malformed as error:
            status = error.status
        except TimeoutError:
            return
        else:
            return
        # Out here, or what fails now would keep the error, and with it a connection's memory.
        await self._write(refusal(status), is_last=True)
        await self._linger()

    async def _converse(self, answer: Callable[[Request], Awaitable[Response]]) -> None:
        wait_s = HEADERS_S
        while True:
            async with asyncio.timeout(wait_s + WHOLE_S):
                asked = await self._read(wait_s)
                if asked is None:
                    return
                await self._write(await answer(asked))
            if self._http.our_state is not h11.DONE:
                return
            self._http.start_next_cycle()
            wait_s = IDLE_S

    async def _read(self, wait_s: float) -> Request | None:
        """Read a request, or None where no more come."""
        self._method = ""
        async with asyncio.timeout(wait_s):
            head = await self._event()
        if not isinstance(head, h11.Request):
            return None
        self._method = head.method.decode()
        lines = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers]
        if len(head.target) + sum(len(one) + len(other) + 4 for one, other in lines) > HEADER_BYTES:
            raise Malformed(431)
        asked = Request(self._method, head.target.decode("latin-1"), tuple(lines))
        length = asked.header("content-length")  # one number, or h11 would have refused it
        if length and int(length) > BODY_BYTES:
            raise Malformed(413)
        body = bytearray()
        async with asyncio.timeout(BODY_S):
            while isinstance(event := await self._event(), h11.Data):
                body += event.data
                if len(body) > BODY_BYTES:
                    raise Malformed(413)
        return Request(asked.method, asked.target, asked.headers, bytes(body))

    async def _event(self) -> object:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(_CHUNK))
        except h11.RemoteProtocolError as error:
            # A frame of h11's keeps the error, and that would keep the frames: a whole connection.
            error.__traceback__ = None
            hint = error.error_status_hint  # 501 for an encoding that it doesn't know
            raise Malformed(hint if hint < 500 else 400) from error
        return event

    async def _write(self, reply: Response, *, is_last: bool = False) -> None:
        headers = [("content-length", str(len(reply.body))), ("content-type", reply.content_type)]
        if reply.retry_after_s is not None:
            headers.append(("retry-after", str(reply.retry_after_s)))
        if is_last:
            headers.append(("connection", "close"))
        events: list[h11.Event] = [h11.Response(status_code=reply.status, headers=headers)]
        if self._method != "HEAD":
            events.append(h11.Data(data=reply.body))
        events.append(h11.EndOfMessage())
        self._writer.write(b"".join(self._http.send(event) or b"" for event in events))
        await self._writer.drain()

    async def _linger(self) -> None:
        left = _LINGER_BYTES
        async with asyncio.timeout(_LINGER_S):
            while left > 0 and (more := await self._reader.read(_CHUNK)):
                left -= len(more)
