"""A container image that the runtime has, so that nothing is ever pulled."""

from dataclasses import dataclass
from pathlib import Path

from kubeception import crash
from kubeception.reach import Reach

_CTR = ("ctr", "--namespace", "k8s.io")


@dataclass(frozen=True)
class Image:
    """A wanted image and the OCI archive that it comes from; pinned against garbage collection."""

    reference: str
    archive: Path

    def __str__(self) -> str:
        return f"image {self.reference}"

    def drift(self, reach: Reach) -> str | None:
        """Say whether containerd lacks it."""
        named = f"name=={self.reference}"
        found = reach.host.run([*_CTR, "images", "list", "--quiet", named], check=False)
        return None if self.reference in found.stdout.split() else "missing"

    def apply(self, reach: Reach) -> None:
        """Import it from the bundle's archive."""
        pinned = "io.cri-containerd.pinned=pinned"
        reach.host.run([*_CTR, "images", "import", "--label", pinned, self.archive])
        crash.before("pin", self.reference)
        reach.host.run([*_CTR, "images", "label", self.reference, pinned])
