"""The door, pointing at one API server."""

import logging
from dataclasses import dataclass

from kubeception.endpoints import API_PORT, HOSTED_PORTS, Address
from kubeception.host import door
from kubeception.kube import health
from kubeception.resources.absent import NoTable
from kubeception.session import Session

log = logging.getLogger("kubeception.door")

NO_DOOR = NoTable("ip", door.TABLE)


@dataclass(frozen=True)
class Door:
    """The door is wanted to send new connections to `port`; 0 is nowhere.

    What comes from outside only ever gets a hosted API server, the last one that was known.
    """

    port: int
    address: Address
    service_address: Address

    def __str__(self) -> str:
        return "door"

    def drift(self, session: Session) -> str | None:
        """Say where it points instead."""
        found = door.read()
        if found is None:
            return "missing"
        if found.rules != self._rules():
            return "its rules differ"
        if not self.port and self._is_answered(session, found.inside):
            return None  # meanwhile; nobody is to be sent away from there
        if found.inside != self.port:
            return f"points at {found.inside or 'nothing'}"
        return f"points outside at {found.outside}" if found.outside != self._outside() else None

    def apply(self, session: Session) -> None:
        """Turn it, building it first where it is missing or differs."""
        found = door.read()
        outside = self._outside()
        if found is None or found.rules != self._rules():
            door.build(
                port=API_PORT,
                address=self.address,
                service_address=self.service_address,
                inside=self.port,
                outside=outside,
            )
        else:
            door.turn(inside=self.port, outside=outside)
        session.hang_up()
        before = found.inside if found else 0
        log.info("turned from %s to %s", before or "nothing", self.port or "nothing")

    def _is_answered(self, session: Session, port: int) -> bool:
        return port > 0 and not health.problem(port, session.layout.pki.ca.certificate)

    def _outside(self) -> int:
        if not self.port or self.port in HOSTED_PORTS:
            return self.port
        found = door.read()
        return found.outside if found else 0

    def _rules(self) -> str:
        return door.rules(port=API_PORT, address=self.address, service_address=self.service_address)


@dataclass(frozen=True)
class WholeDoor:
    """A door that stands is wanted with all of its rules, wherever it leads."""

    address: Address
    service_address: Address

    def __str__(self) -> str:
        return "the door's rules"

    def drift(self, _reach: Session) -> str | None:
        """Say that some are gone, or others there."""
        found = door.read()
        return "are not whole" if found and not found.rules else None

    def apply(self, session: Session) -> None:
        """Build it anew, leading where it leads."""
        if found := door.read():
            Door(found.inside, self.address, self.service_address).apply(session)
