"""Look at what a node's kubelet serves with; it is told nothing, and believed nothing."""

import socket
import ssl
from contextlib import closing
from functools import partial

from kubeception import pace
from kubeception.endpoints import Address

PORT = 10250
TIMEOUT_S = 2.0


def serving_certificate(address: Address) -> bytes | None:
    """Return the certificate (PEM) that is shown at an address, None where there is none."""
    try:
        shown = ssl.get_server_certificate((str(address), PORT), timeout=TIMEOUT_S)
    except (OSError, ValueError):
        return None
    return shown.encode()


def silence(address: Address) -> str | None:
    """Return why nobody at an address speaks as a kubelet does, whatever certificate is shown."""
    try:
        pace.patiently(partial(_greet, address), TIMEOUT_S)
    except OSError as error:
        return f"{address}:{PORT}: {error}"
    return None


def _greet(address: Address, timeout_s: float) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # its certificates are looked at elsewhere
    context.verify_mode = ssl.CERT_NONE
    with closing(socket.create_connection((str(address), PORT), timeout_s)) as plain:
        context.wrap_socket(plain).close()
