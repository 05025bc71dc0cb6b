"""Every connection to the service: let in, counted, and shown out.

A crowd may have one address or many, so all are limited together, in two rooms. Whoever has not
said hello waits outside, where a place costs next to nothing. Inside, where TLS is spoken, there
are few. In both, when all places are taken, whoever has been there longest without having proven
anything makes way.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address

from kubeception.endpoints import LOOPBACK, Address
from kubeception.join.http1 import HEADER_BYTES
from kubeception.join.knock import has_said_hello
from kubeception.join.nonce import Nonce

log = logging.getLogger(__name__)

OUTSIDE = 4096
INSIDE = 512
HANDSHAKE_S = 3.0
_CLOSING_S = 1.0


@dataclass(eq=False)
class Connection:
    """One connection: from where, what it was asked to prove, and whether it just now has."""

    source: Address = LOOPBACK
    task: asyncio.Task[None] | None = None
    nonce: Nonce = field(default_factory=Nonce)
    has_proven: bool = False
    is_busy: bool = False
    is_gone: Callable[[], bool] = lambda: False

    def close_oldest(self) -> None:
        """End the connection."""
        if self.task:
            self.task.cancel()


def source_of(peer: str) -> Address:
    """Return the address of a peer; an IPv4 one within an IPv6 one is the IPv4 one."""
    address = ip_address(peer)
    return getattr(address, "ipv4_mapped", None) or address


Talking = Callable[[Connection, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Slots:
    """So many places, given to whoever comes; the oldest first."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._here: dict[Connection, None] = {}

    def __iter__(self) -> Iterator[Connection]:
        """Yield who is there."""
        return iter(self._here)

    def enter(self, connection: Connection) -> bool:
        """Give somebody a place; False where there is none to be had."""
        if len(self._here) >= self._places:
            oldest = next((one for one in self._here if not one.has_proven), None)
            if oldest is None:
                return False
            self.leave(oldest)
            oldest.close_oldest()
        self._here[connection] = None
        return True

    def leave(self, connection: Connection) -> None:
        """Take somebody's place back."""
        self._here.pop(connection, None)


class Connections:
    """All of them."""

    def __init__(
        self,
        talk: Talking,
        context: ssl.SSLContext,
        *,
        outside: int = OUTSIDE,
        inside: int = INSIDE,
    ) -> None:
        self._talk = talk
        self._context = context
        self._outside = Slots(outside)
        self._inside = Slots(inside)
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self, listener: socket.socket) -> None:
        """Let everybody in, for ever."""
        loop = asyncio.get_running_loop()
        listener.settimeout(0)
        while True:
            try:
                sock, (peer, *_) = await loop.sock_accept(listener)
            except OSError as error:  # it was gone again, or there are no descriptors
                log.warning("no connection: %s", error.strerror)
                await asyncio.sleep(0.1)
                continue
            connection = Connection(source_of(peer))
            connection.task = asyncio.create_task(self._receive(connection, sock))
            self._tasks.add(connection.task)
            connection.task.add_done_callback(self._tasks.discard)
            # Otherwise a full queue of newcomers would hold everybody up who is here.
            await asyncio.sleep(0)

    async def end(self, *, within_s: float) -> None:
        """Show everybody out; whoever waits for an answer may have it first."""
        busy = {connection.task for connection in self._inside if connection.is_busy}
        for task in self._tasks - busy:
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=within_s)

    async def _receive(self, connection: Connection, sock: socket.socket) -> None:
        try:
            with sock:
                await self._let_in(connection, sock)
        except (OSError, TimeoutError) as error:
            # Who fails at TLS, or goes away, is nobody's concern. But the reader keeps the error,
            # and that would keep the reader, with all of a connection's memory.
            error.__traceback__ = None

    async def _let_in(self, connection: Connection, sock: socket.socket) -> None:
        until = asyncio.get_running_loop().time() + HANDSHAKE_S
        self._outside.enter(connection)
        try:
            async with asyncio.timeout_at(until):
                is_welcome = await has_said_hello(sock)
        finally:
            self._outside.leave(connection)
        if is_welcome and self._inside.enter(connection):
            try:
                await self._speak(connection, sock, until)
            finally:
                self._inside.leave(connection)

    async def _speak(self, connection: Connection, sock: socket.socket, until: float) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=HEADER_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol,
            sock,
            ssl=self._context,
            ssl_handshake_timeout=max(until - loop.time(), 0.1),
            ssl_shutdown_timeout=_CLOSING_S,
        )
        connection.is_gone = lambda: reader.at_eof() or transport.is_closing()
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            await self._talk(connection, reader, writer)
            writer.close()
            await writer.wait_closed()
        finally:
            transport.abort()
