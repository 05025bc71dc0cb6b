"""Ask one API server, on its own port, whether it is ready."""

import http
import http.client
import ssl
from enum import StrEnum
from pathlib import Path

TIMEOUT_S = 2.0


class Answer(StrEnum):
    """How an API server takes a question; `NONE`: it takes the connection and says no word."""

    READY = "ready"
    NOT_READY = "not ready"
    REFUSED = "refused"
    NONE = "none"


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


def answer(port: int, ca: Path, *, host: str = "127.0.0.1") -> Answer:
    """Return how the API server on a port takes a question."""
    context = ssl.create_default_context(cafile=str(ca))
    connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
    try:
        connection.request("GET", "/readyz")
        is_ready = connection.getresponse().status == http.HTTPStatus.OK
    except ConnectionRefusedError:
        return Answer.REFUSED
    except TimeoutError:
        return Answer.NONE
    except (OSError, http.client.HTTPException):
        return Answer.NOT_READY
    finally:
        connection.close()
    return Answer.READY if is_ready else Answer.NOT_READY
