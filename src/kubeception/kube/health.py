"""Ask one API server, on its own port, whether it is ready."""

import http.client
import socket
import ssl
from pathlib import Path

TIMEOUT_S = 2.0
# A server that is only slow says something by then.
HUNG_S = 5.0


def not_ready(port: int, ca: Path, *, host: str = "127.0.0.1", path: str = "/readyz") -> str | None:
    """Return why the API server on a port is not ready, or None if it answers 200.

    Each question is a new connection, checked against our CA: another program's answer is none.
    """
    try:
        context = ssl.create_default_context(cafile=str(ca))
        connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
        try:
            connection.request("GET", path)
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        return f"port {port}: {error}"
    return None if status == 200 else f"port {port}: {path} answers {status}"


def refuses(port: int, *, host: str = "127.0.0.1") -> bool:
    """Tell whether nobody listens on a port."""
    try:
        socket.create_connection((host, port), timeout=TIMEOUT_S).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def hangs(port: int, ca: Path, *, host: str = "127.0.0.1") -> bool:
    """Tell whether something takes connections on a port and then never says a word."""
    context = ssl.create_default_context(cafile=str(ca))
    connection = http.client.HTTPSConnection(host, port, timeout=HUNG_S, context=context)
    try:
        connection.request("GET", "/livez")
        connection.getresponse()
    except TimeoutError:
        return True
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return False
