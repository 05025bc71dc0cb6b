"""A Lease whose holder is proven dead, and for whom nobody should have to wait."""

from dataclasses import dataclass

from kubeception import conditions
from kubeception.reach import Reach
from kubeception.render.objects import NAMESPACE


@dataclass(frozen=True)
class DeadLease:
    """A Lease that nobody renews any more is wanted gone; the next leader makes one."""

    name: str

    def __str__(self) -> str:
        return f"Lease {self.name}"

    def drift(self, reach: Reach) -> str | None:
        """Say why its holder is dead."""
        return conditions.dead_holder(reach, self.name)

    def apply(self, reach: Reach) -> None:
        """Delete it."""
        reach.api.delete("Lease", self.name, namespace=NAMESPACE)
