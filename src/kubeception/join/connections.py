"""Every connection to the service: let in, counted from its first packet on, and shown out.

A NodePort hides who a client is, so they are limited in all: when all places are taken, whoever has
been here longest without having proven anything makes way. TLS is at home here as well, because a
handshake that never ends takes a place, too.
"""

import asyncio
import contextlib
import functools
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from kubeception.join.nonce import Nonce

log = logging.getLogger(__name__)

MOST = 512
HANDSHAKE_S = 3.0
_CLOSING_S = 1.0
_BUFFER = 16 * 1024


@dataclass(eq=False)
class Visitor:
    """One connection: what it was asked to prove, and whether it just now has."""

    nonce: Nonce = field(default_factory=Nonce)
    has_proven: bool = False
    is_busy: bool = False
    is_gone: Callable[[], bool] = lambda: False


Talking = Callable[[Visitor, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Connections:
    """All of them, oldest first."""

    def __init__(self, talk: Talking, *, most: int = MOST) -> None:
        self._talk = talk
        self._most = most
        self._here: dict[Visitor, asyncio.Task[None]] = {}

    async def accept(self, listener: socket.socket, context: ssl.SSLContext) -> None:
        """Let everybody in, for ever."""
        loop = asyncio.get_running_loop()
        listener.settimeout(0)
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as error:  # it was gone again, or there are no descriptors
                log.warning("no connection: %s", error.strerror)
                await asyncio.sleep(0.1)
                continue
            if self._make_room():
                visitor = Visitor()
                task = asyncio.create_task(self._receive(visitor, connection, context))
                self._here[visitor] = task
                task.add_done_callback(functools.partial(self._leave, visitor))
            else:
                connection.close()
            # Otherwise a full queue of newcomers would hold everybody up who is here.
            await asyncio.sleep(0)

    async def end(self, *, within_s: float) -> None:
        """Show everybody out; whoever waits for an answer may have it first."""
        for visitor, task in list(self._here.items()):
            if not visitor.is_busy:
                task.cancel()
        if self._here:
            await asyncio.wait(list(self._here.values()), timeout=within_s)
        for task in self._here.values():
            task.cancel()

    def _make_room(self) -> bool:
        staying = [one for one in self._here if not self._here[one].cancelling()]
        if len(staying) < self._most:
            return True
        oldest = next((visitor for visitor in staying if not visitor.has_proven), None)
        if oldest is None:
            return False
        self._here[oldest].cancel()
        return True

    def _leave(self, visitor: Visitor, _: asyncio.Task[None]) -> None:
        del self._here[visitor]

    async def _receive(
        self, visitor: Visitor, connection: socket.socket, context: ssl.SSLContext
    ) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_BUFFER)
        protocol = asyncio.StreamReaderProtocol(reader)
        # Who fails at TLS, or goes away, is nobody's concern.
        with contextlib.suppress(OSError, TimeoutError):
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol,
                connection,
                ssl=context,
                ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=_CLOSING_S,
            )
            visitor.is_gone = lambda: reader.at_eof() or transport.is_closing()
            writer = asyncio.StreamWriter(transport, protocol, reader, loop)
            try:
                await self._talk(visitor, reader, writer)
                writer.close()
                await writer.wait_closed()
            finally:
                transport.abort()
