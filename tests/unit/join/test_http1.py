"""HTTP on a connection that is in memory."""

import asyncio

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeception.join.http1 import REQUESTS, Http1Connection, Request, Response


class Kept(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol


def talked(raw: bytes, *, over: Kept | None = None) -> tuple[list[Request], bytes]:
    """Return what was asked by some bytes, and what was answered."""
    asked: list[Request] = []

    async def answer(one: Request) -> Response:
        asked.append(one)
        return Response(200, b"{}")

    async def talk() -> bytes:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        kept = over or Kept()
        kept.set_protocol(protocol)
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


HOST = b"host: x\r\n"
POST = b"POST /join HTTP/1.1\r\n"
# A body whether it ends by its length or by a last chunk.
BODY = b"content-length: 5\r\n\r\n0\r\n\r\n"
# What is asked, and of whom (RFC 9112, 2.3, 3 and 3.2).
FIRST_LINES = (
    *(b"GET /join", b"GET /join HTTP/1.0", b"GET /join HTTP/0.9", b"GET /join HTTP/1.2"),
    *(b"GET /join HTTP/1.10", b"PRI * HTTP/2.0", b"GET /join http/1.1", b"GET /join HTTP/1,1"),
    *(b"GET  /join HTTP/1.1", b"GET\t/join HTTP/1.1", b"GET /join x HTTP/1.1", b"GET HTTP/1.1"),
    *(b" GET /join HTTP/1.1", b"GET /join HTTP/1.1 ", b"/join HTTP/1.1", b"G/T /join HTTP/1.1"),
    *(b"GET /j\xf6in HTTP/1.1", b"GET /\x00 HTTP/1.1", b"GET /\x7f HTTP/1.1", b"\x00: ", b""),
    *(b"GET /join HTTP/1.1\r", b"GET /join\rx HTTP/1.1", b"GET /join HTTP/1.1\nx: y"),
)
HOSTS = (
    *(b"", b"host:\r\n", HOST * 2, b"host: x\r\nHost: y\r\n", b"host: x, y\r\n", b"host: x y\r\n"),
    *(b"host: x/y\r\n", b"host: a@x\r\n", b"host: x:http\r\n", b"host: [::1\r\n", b"host: ::1\r\n"),
)
# Where a body ends (6.1 and 6.3).
LENGTHS = (
    *(b"5, 5", b"5,5", b"5,", b"4, 5", b"+5", b"-5", b"1_0", b"1 0", b"0x5", b"05", b"5.0", b"5e0"),
    *(b'"5"', b"", b"\xd9\xa5", b"\xb2", b"\x0b5", b"5\x0c", b"5\x00", b"5;", b"1" * 5000),
    *(b"5\r\ncontent-length: 5", b"4\r\nContent-Length: 5", b"\r\ncontent-length: 5", b"\r\n 5"),
)
# What a line is (2.2, 5.1 and 5.2), and what would say another way where a body ends.
LINES = (
    *(b"transfer-encoding: chunked", b"Transfer-Encoding: identity", b"transfer-encoding: gzip"),
    *(b"transfer-encoding:", b"transfer-encoding: \x0bchunked", b"transfer-encoding: xchunked"),
    *(b"transfer-encoding : chunked", b"transfer-encoding\t: chunked", b"a : b", b"a\t: b"),
    *(b"a: b\r\n c", b"a: b\r\n\tcontent-length: 9", b"a: b\r\n \r\n c", b"a:\r\n b", b" a: b"),
    *(b"a: b\nc: d", b"a: b\n", b"a: b\n\n", b"\n", b"a: b\rc: d", b"a: b\r", b"\ra: b"),
    *(b"a", b": b", b"a b: c", b'"a": b', b"a\x00: b", b"\xc3\xa4: b", b"a: \xc3\xa4", b"a: \x80"),
    *(b"a: \x00", b"a: \x07", b"a: \x0b", b"a: \x1b[2J", b"a: \x7f"),
)
REFUSED = (
    *((line + b"\r\n" + HOST + b"\r\n", 400) for line in FIRST_LINES),
    *((POST + lines + BODY, 400) for lines in HOSTS),
    *((POST + HOST + BODY.replace(b"5", length, 1), 400) for length in LENGTHS),
    *((POST + HOST + line + b"\r\n" + BODY, 400) for line in LINES),
    *((POST + line + b"\r\n" + HOST + BODY, 400) for line in LINES),
    (POST + HOST + b"transfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n", 400),
    (b"GET /join HTTP/1.1\nhost: x\n\n", 400),
    (b"GET /join HTTP/1.1\r\nhost: x\r\n\n", 400),
    (b"GET /join HTTP/1.1\r\n" + HOST + BODY, 400),
    (b"DELETE /join HTTP/1.1\r\n" + HOST + BODY, 400),
    (POST + HOST + b"expect: 100-continue\r\n" + BODY, 417),
    (POST + HOST + b"content-length: 16385\r\n\r\n", 413),
    (POST + HOST + b"content-length: 4294967300\r\n\r\nabcd", 413),
    (POST + HOST + b"x: " + b"x" * 8192 + b"\r\n" + BODY, 431),
    (POST + HOST + b"x: y\r\n" * 1400 + BODY, 431),
    (POST + HOST + b"x: " + b"x" * 140_000, 431),
)


@pytest.mark.parametrize(("raw", "status"), REFUSED, ids=[ascii(raw[:80]) for raw, _ in REFUSED])
def test_what_can_be_read_in_two_ways_ends_the_connection(raw: bytes, status: int) -> None:
    asked, said = talked(raw + b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")

    assert asked == []
    assert said.startswith(b"HTTP/1.1 %d \r\n" % status)
    assert b"\r\nconnection: close\r\n" in said
    assert said.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "raw", [b"", POST[:7], POST, POST + b"host", POST + HOST + b"\r", POST + HOST + BODY[:-1]]
)
def test_half_a_request_is_not_answered(raw: bytes) -> None:
    assert talked(raw) == ([], b"")


@pytest.mark.parametrize(
    "raw",
    [
        *(POST + b"host:" + name + b"\r\n" + BODY for name in (b"x", b" \t x_1.y-z:80 \t ")),
        *(POST + b"Host: " + name + b"\r\n" + BODY for name in (b"[::1]", b"[fe80::1%eth0]:1")),
        POST + HOST + b"x:\r\nx: a:b \t c\r\nCONTENT-LENGTH:4\r\n\r\nabcd",
        b"GET /join?x=http://y:1/%00# HTTP/1.1\r\ncontent-length: 0\r\n" + HOST + b"\r\n",
    ],
)
def test_what_has_one_meaning_is_taken(raw: bytes) -> None:
    asked, _ = talked(raw * 2)

    assert len(asked) == 2
    assert {one.body for one in asked} == {raw.partition(b"\r\n\r\n")[2]}


@pytest.mark.parametrize("value", [b"close", b"Close", b"keep-alive, close", b"x ,\tclose"])
def test_who_wants_to_close_is_not_asked_again(value: bytes) -> None:
    asked, said = talked((POST + HOST + b"connection: " + value + b"\r\n" + BODY) * 2)

    assert len(asked) == 1
    assert b"\r\nconnection: close\r\n" in said.lower()


def test_so_many_requests_are_answered_and_no_more() -> None:
    asked, said = talked(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * (REQUESTS + 1))

    assert len(asked) == REQUESTS
    assert said.count(b"connection: close\r\n") == 1
    assert b"connection: close\r\n" in said.rpartition(b"HTTP/1.1 ")[2]


class Left(Kept):
    """A transport whose other side leaves after the first answer."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.written:
            loop = asyncio.get_running_loop()
            loop.call_soon(self.get_protocol().connection_lost, ConnectionResetError())
        super().write(data)


def test_who_has_left_gets_no_more_answers() -> None:
    left = Left()

    with pytest.raises(ConnectionResetError):
        talked(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * 9, over=left)

    assert left.written.count(b"HTTP/1.1 ") == 1


GOOD = b"GET /join?a HTTP/1.1\r\nhost: x:1\r\na: b, c\r\na: d\r\n\r\n" + POST + HOST + BODY
PIECES = (
    *(
        b"",
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n\r\n",
        b" ",
        b"\t",
        b"\x0b",
        b"\x00",
        b"\xff",
        b":",
        b",",
        b"0",
    ),
    *(
        b"5",
        b"+",
        b"content-length: 5\r\n",
        b"transfer-encoding: chunked\r\n",
        b"connection: close\r\n",
    ),
)


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(GOOD)), st.sampled_from([0, 0, 1, 2]), st.sampled_from(PIECES)
        ),
        max_size=3,
    )
)
def test_what_is_taken_is_read_as_another_parser_reads_it(
    edits: list[tuple[int, int, bytes]],
) -> None:
    raw = GOOD
    for at, gone, new in edits:
        raw = raw[:at] + new + raw[at + gone :]

    asked, _ = talked(raw)

    assert asked == read_by_h11(raw, len(asked))


def read_by_h11(raw: bytes, count: int) -> list[Request]:
    """Return the first requests in some bytes, as h11 reads them."""
    read: list[Request] = []
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(raw)
    while len(read) < count:
        head, body = connection.next_event(), b""
        assert isinstance(head, h11.Request)
        while isinstance(event := connection.next_event(), h11.Data):
            body += event.data
        assert isinstance(event, h11.EndOfMessage)
        headers: dict[str, list[str]] = {}
        for name, value in head.headers:
            headers.setdefault(name.decode(), []).append(value.decode())
        read.append(
            Request(
                head.method.decode(),
                head.target.decode(),
                {name: ", ".join(values) for name, values in headers.items()},
                body,
            )
        )
        connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
        connection.send(h11.EndOfMessage())
        if len(read) < count:
            connection.start_next_cycle()
    return read
