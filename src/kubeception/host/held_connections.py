"""Connections that wait at a port until there is a server for them.

Where a connection is refused, its client tries again after ever longer pauses: a kubelet that
starts before its API would find it many seconds after it is there. A connection that waits ends
when they are let go, and is made again within a second.
"""

import contextlib
import os
import socket

from kubeception.endpoints import Address
from kubeception.errors import KubeceptionError

_SEATS = 1024


class HeldConnections:
    """Open addresses of this process; all are closed with the block, or with the process."""

    def __init__(self) -> None:
        self._open: dict[Address, socket.socket] = {}

    def __enter__(self) -> "HeldConnections":
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End what still waits."""
        for address in list(self._open):
            self.close(address)

    def is_open(self, address: Address) -> bool:
        """Tell whether connections to an address may wait."""
        return address in self._open

    def open(self, address: Address, *, port: int) -> None:
        """Let connections wait: the kernel takes them, and nobody answers.

        Raises:
            KubeceptionError: another program has the port.
        """
        try:
            self._open[address] = socket.create_server((str(address), port), backlog=_SEATS)
        except OSError as error:
            raise KubeceptionError(
                f"{address}:{port}: {os.strerror(error.errno or 0)}",
                hint=f"ss -tlnp 'sport = :{port}'",
            ) from error

    def close(self, address: Address) -> None:
        """End those that wait; new ones go where the door leads."""
        with contextlib.suppress(KeyError):
            self._open.pop(address).close()
