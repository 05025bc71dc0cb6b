"""HTTP on a connection that is in memory."""

import asyncio

import pytest

from kubeception.join.http1 import Http1Connection, Request, Response


class Kept(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return False


def talked(raw: bytes) -> tuple[list[Request], bytes]:
    """Return what was asked by some bytes, and what was answered."""
    asked: list[Request] = []

    async def answer(one: Request) -> Response:
        asked.append(one)
        return Response(200, b"{}")

    async def talk() -> bytes:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        kept = Kept()
        writer = asyncio.StreamWriter(kept, protocol, reader, asyncio.get_running_loop())
        reader.feed_data(raw)
        reader.feed_eof()
        await Http1Connection(reader, writer).talk(
            answer=answer, refusal=lambda status: Response(status, b"no")
        )
        return kept.written

    return asked, asyncio.run(talk())


def test_one_request_after_the_other_is_answered() -> None:
    first = b"POST /join HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"

    asked, said = talked(first + b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")

    assert [(one.method, one.target, one.body) for one in asked] == [
        ("POST", "/join", b"{}"),
        ("GET", "/healthz", b""),
    ]
    assert said.count(b"HTTP/1.1 200 \r\n") == 2


def test_head_gets_no_body() -> None:
    _, said = talked(b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n")

    assert said.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("method", [b"POST", b"HEAD"])
@pytest.mark.parametrize(
    ("rest", "status"),
    [
        (b"content-length: 16385\r\n\r\n", b"413"),
        (b"transfer-encoding: gzip\r\n\r\n", b"400"),
        (b"x: " + b"x" * 8192 + b"\r\n\r\n", b"431"),
        (b"content-length: 1\r\ncontent-length: 2\r\n\r\n", b"400"),
        (b"content-length: 5\r\n\r\nx", b"400"),
        (b"\x00: \r\n\r\n", b"400"),
    ],
)
def test_what_is_too_much_or_broken_is_refused(method: bytes, rest: bytes, status: bytes) -> None:
    asked, said = talked(method + b" /join HTTP/1.1\r\nhost: x\r\n" + rest)

    assert not asked
    assert said.startswith(b"HTTP/1.1 " + status + b" ")
    assert b"connection: close\r\n" in said


def test_silence_is_not_answered() -> None:
    assert talked(b"") == ([], b"")
