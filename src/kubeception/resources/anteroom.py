"""Where connections wait while the door leads nowhere."""

from dataclasses import dataclass

from kubeception.endpoints import API_PORT
from kubeception.reach import Reach


@dataclass(frozen=True)
class Anteroom:
    """Connections to the door at an address are wanted to wait; or, once it leads on, not to."""

    address: str
    is_open: bool

    def __str__(self) -> str:
        return f"anteroom at {self.address}"

    def drift(self, reach: Reach) -> str | None:
        """Say whether it is closed, or still open."""
        if reach.anteroom.is_open(self.address) is self.is_open:
            return None
        return "closed" if self.is_open else "open"

    def apply(self, reach: Reach) -> None:
        """Open or close it."""
        if not self.is_open:
            reach.anteroom.close(self.address)
        elif not reach.anteroom.is_open(self.address):
            reach.anteroom.open(self.address, port=API_PORT)
