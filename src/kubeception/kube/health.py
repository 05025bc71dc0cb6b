"""Ask one API server, by its port, whether it is ready and which version it is of."""

import http.client
import json
import socket
import ssl
from enum import StrEnum
from functools import partial
from pathlib import Path

from kubeception import pace, trust

TIMEOUT_S = 2.0
# Who is asked anonymously may say that it doesn't know who asks, or that nobody unknown may.
_WANTS_A_NAME = frozenset({401, 403})
# Beside the CA where there is an API server: whoever has it may ask how that is.
_CREDENTIAL = "apiserver-kubelet-client"


class HealthAnswer(StrEnum):
    """How an API server takes a question; `NONE`: it takes the connection and says no word.

    Where `UNREACHABLE`, not even the kernel answers for it, as it does for one that hangs.
    """

    READY = "ready"
    NOT_READY = "not ready"
    REFUSED = "refused"
    NONE = "none"
    UNREACHABLE = "unreachable"


class _UnreachableError(OSError):
    pass


def problem(port: int, ca: Path, *, host: str = "127.0.0.1", path: str = "/readyz") -> str | None:
    """Return why the API server on a port is not ready, or None if it answers 200.

    Each question is a new connection, checked against our CA: another program's answer is none.
    """
    try:
        status, _ = _ask(port, ca, path, host=host)
    except (OSError, http.client.HTTPException) as error:
        return f"port {port}: {error}"
    return None if status == 200 else f"port {port}: {path} answers {status}"


def silence(port: int, ca: Path, *, host: str) -> str | None:
    """Return why no API server answers on a port, whatever it would say to a stranger."""
    try:
        _ask(port, ca, "/readyz", host=host)
    except (OSError, http.client.HTTPException) as error:
        return f"{host}:{port}: {error}"
    return None


def answer(port: int, ca: Path, *, host: str = "127.0.0.1") -> HealthAnswer:
    """Return how the API server on a port takes a question."""
    try:
        status, _ = _ask(port, ca, "/readyz", host=host)
    except ConnectionRefusedError:
        return HealthAnswer.REFUSED
    except _UnreachableError:
        return HealthAnswer.UNREACHABLE
    except TimeoutError:
        return HealthAnswer.NONE
    except (OSError, http.client.HTTPException):
        return HealthAnswer.NOT_READY
    return HealthAnswer.READY if status == 200 else HealthAnswer.NOT_READY


def version(port: int, ca: Path) -> str | None:
    """Return the version of the API server on a port, None where none is told."""
    try:
        status, body = _ask(port, ca, "/version", host="127.0.0.1")
    except (OSError, http.client.HTTPException):
        return None
    if status != 200:
        return None
    found: str = json.loads(body)["gitVersion"]
    return found


def _ask(port: int, ca: Path, path: str, *, host: str) -> tuple[int, bytes]:
    answered = partial(_answered, port, trust.context(ca), path, host)
    status, body = pace.patiently(answered, TIMEOUT_S)
    own = ca.with_name(f"{_CREDENTIAL}.crt")
    if status in _WANTS_A_NAME and own.exists():
        named = trust.context(ca, own, own.with_suffix(".key"))
        status, body = _answered(port, named, path, host, TIMEOUT_S)
    return status, body


def _answered(
    port: int, context: ssl.SSLContext, path: str, host: str, timeout_s: float
) -> tuple[int, bytes]:
    connection = http.client.HTTPSConnection(host, port, context=context)
    try:
        try:
            plain = socket.create_connection((host, port), timeout_s)
        except TimeoutError as error:
            raise _UnreachableError("timed out") from error
        with plain:
            connection.sock = context.wrap_socket(plain, server_hostname=host)
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
