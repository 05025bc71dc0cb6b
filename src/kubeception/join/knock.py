"""What happens on a connection before TLS: nothing is spent on whoever has not said hello."""

import asyncio
import contextlib
import socket

_HEADER = 5  # of a TLS record (RFC 8446, 5.1): its kind, a version, its length
_HANDSHAKE = 22
_LONGEST = 16 * 1024


async def has_said_hello(connection: socket.socket) -> bool:
    """Wait until the first TLS record is there, and leave it there; False for anything else.

    A connection that is silent, or sends its hello byte by byte, is a descriptor and nothing more.
    """
    header = await _peek(connection, _HEADER)
    length = int.from_bytes(header[3:], "big")
    if len(header) < _HEADER or header[0] != _HANDSHAKE or length > _LONGEST:
        return False
    hello = await _peek(connection, _HEADER + length)
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
    return len(hello) == _HEADER + length


async def _peek(connection: socket.socket, count: int) -> bytes:
    """Return the first bytes; fewer than asked for only where no more will come.

    The kernel wakes us when all of them are there (SO_RCVLOWAT, socket(7)), not at each one.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(connection, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(connection)
    return connection.recv(count, socket.MSG_PEEK)
