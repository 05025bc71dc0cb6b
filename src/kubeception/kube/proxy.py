"""Ask this host's kube-proxy, as a load balancer would, whether it is well."""

import http.client
from functools import partial

from kubeception import pace

PORT = 10256
TIMEOUT_S = 1.0
_HOST = "127.0.0.1"


def problem(port: int = PORT) -> str | None:
    """Return why kube-proxy is not well, or None if it says that it is."""
    try:
        status = pace.patiently(partial(_status, port), TIMEOUT_S)
    except (OSError, http.client.HTTPException) as error:
        return f"{_HOST}:{port}: {error}"
    # It lives, and has not written for long what has changed of the Services.
    return None if status == 200 else f"{_HOST}:{port}: /livez answers {status}"


def _status(port: int, timeout_s: float) -> int:
    connection = http.client.HTTPConnection(_HOST, port, timeout=timeout_s)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status
    finally:
        connection.close()
