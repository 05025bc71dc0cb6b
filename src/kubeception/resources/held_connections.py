"""Where connections wait while the door leads nowhere."""

from dataclasses import dataclass

from kubeception.endpoints import API_PORT, Address
from kubeception.session import Session


@dataclass(frozen=True)
class HeldConnections:
    """Connections to the door at an address are wanted to wait; or, once it leads on, not to."""

    address: Address
    is_open: bool

    def __str__(self) -> str:
        return f"held connections at {self.address}"

    def drift(self, session: Session) -> str | None:
        """Say whether it is closed, or still open."""
        if session.held_connections.is_open(self.address) is self.is_open:
            return None
        return "closed" if self.is_open else "open"

    def apply(self, session: Session) -> None:
        """Open or close it."""
        if not self.is_open:
            session.held_connections.close(self.address)
        elif not session.held_connections.is_open(self.address):
            session.held_connections.open(self.address, port=API_PORT)
