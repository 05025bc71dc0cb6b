"""A Lease whose holder is proven dead, and for whom nobody should have to wait."""

from dataclasses import dataclass

from kubeception import conditions
from kubeception.render.objects import NAMESPACE
from kubeception.session import Session


@dataclass(frozen=True)
class DeadLease:
    """A Lease that nobody renews any more is wanted gone; the next leader makes one."""

    name: str

    def __str__(self) -> str:
        return f"Lease {self.name}"

    def drift(self, session: Session) -> str | None:
        """Say why its holder is dead."""
        return conditions.dead_holder(session, self.name)

    def apply(self, session: Session) -> None:
        """Delete it."""
        session.api.delete("Lease", self.name, namespace=NAMESPACE)
