"""Tell systemd how this service does, by the protocol of sd_notify(3)."""

import os
import socket


def notify(state: str) -> None:
    """Send e.g. `READY=1`; nothing happens where no service manager listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(state.encode(), address)
