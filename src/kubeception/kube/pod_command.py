"""A command in a container, run by the API's exec over WebSocket; a look's own, so without input.

The frames are wsproto's, the connection is the client's: each read of it has a limit, so whoever
says no word any more leaves nothing behind that waits.
"""

import base64
import json
import secrets
import time
from typing import Any, Protocol

import httpcore2
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Ping
from wsproto.utilities import ProtocolError

# https://kubernetes.io/docs/reference/using-api/api-concepts/#websockets
_PROTOCOL = "v5.channel.k8s.io"
# The first byte of a message says what it is; of this channel is how the command has ended.
_ENDED = 3
_READ = 65536


class Stream(Protocol):
    """A connection after its upgrade."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has come, nothing where the other side has hung up."""

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send."""


def upgrade() -> dict[str, str]:
    """Return the headers that ask for it (RFC 6455)."""
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": _PROTOCOL,
    }


def outcome(stream: Stream, *, timeout_s: float) -> dict[str, Any]:
    """Return how a command has ended, as a Status (meta/v1); what it prints is passed over.

    Raises:
        OSError: the connection ended before the command, or its time did.
    """
    ends_s = time.monotonic() + timeout_s
    try:
        return _outcome(stream, ends_s)
    except httpcore2.TimeoutException as error:
        raise TimeoutError("timed out") from error
    except (httpcore2.NetworkError, ProtocolError) as error:
        raise ConnectionError(f"it broke off: {error}") from error


def _outcome(stream: Stream, ends_s: float) -> dict[str, Any]:
    socket, message = Connection(ConnectionType.CLIENT), b""
    while True:
        if (left_s := ends_s - time.monotonic()) <= 0:
            raise TimeoutError("timed out")
        # Nothing read is the other side's end, which wsproto is told by None.
        socket.receive_data(stream.read(_READ, timeout=left_s) or None)
        for event in socket.events():
            if isinstance(event, Ping):
                stream.write(socket.send(event.response()), timeout=left_s)
            elif isinstance(event, BytesMessage):
                message += event.data
                if event.message_finished:
                    if message[:1] == bytes([_ENDED]):
                        ended: dict[str, Any] = json.loads(message[1:])
                        return ended
                    message = b""
            elif isinstance(event, CloseConnection):
                raise ConnectionError("it ended before the command")
