"""A Lease whose holder is proven dead, and for whom nobody should have to wait."""

from dataclasses import dataclass

from kubeception import conditions
from kubeception.reach import Reach
from kubeception.render.objects import NAMESPACE


@dataclass(frozen=True)
class DeadLease:
    """A Lease last renewed before this host booted is wanted gone; the next leader makes one."""

    name: str

    def __str__(self) -> str:
        return f"Lease {self.name}"

    def drift(self, reach: Reach) -> str | None:
        """Say whether its holder was last heard before the boot."""
        renewed = conditions.last_renewal(reach, self.name)
        if renewed is None or renewed.timestamp() >= reach.host.systemd.booted_s():
            return None
        return "its holder died with the host"

    def apply(self, reach: Reach) -> None:
        """Delete it."""
        reach.api.delete("Lease", self.name, namespace=NAMESPACE)
