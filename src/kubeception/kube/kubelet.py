"""Look at what a node's kubelet serves with; it is told nothing, and believed nothing."""

import ssl

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
