"""A container image that the runtime has, so that nothing is ever pulled."""

from dataclasses import dataclass
from pathlib import Path

from kubeception import crash
from kubeception.session import Session

# Against garbage collection. It is given last, so it also says that all of the image is there.
_PINNED = ("io.cri-containerd.pinned", "pinned")
_ANSWER_S = 10.0


def imported(session: Session) -> frozenset[str]:
    """Return the names of all images that were imported whole.

    Raises:
        KubeceptionError: the runtime can't be asked.
    """
    label, value = _PINNED
    ask = [*_ctr(session), "images", "list", "--quiet", f'labels."{label}"=={value}']
    return frozenset(session.host.run(ask, timeout=_ANSWER_S).stdout.split())


@dataclass(frozen=True)
class ImportedImage:
    """A wanted image and the OCI archive that it comes from; pinned against garbage collection."""

    reference: str
    archive: Path

    def __str__(self) -> str:
        return f"image {self.reference}"

    def drift(self, session: Session) -> str | None:
        """Say whether containerd lacks it, or had not yet all of it."""
        label, value = _PINNED
        named = f'name=={self.reference},labels."{label}"=={value}'
        ask = [*_ctr(session), "images", "list", "--quiet", named]
        found = session.host.run(ask, check=False)
        return None if self.reference in found.stdout.split() else "missing"

    def apply(self, session: Session) -> None:
        """Import it from the bundle's archive, through to the disk.

        A file that a power cut left empty would stay so: what is unpacked is never unpacked again.
        Only a client that imports by itself (`--local`) has it synced.
        """
        images = [*_ctr(session), "images"]
        how = ("--local", "--sync-fs", "--snapshotter=")  # its default
        session.host.run([*images, "import", *how, self.archive])
        crash.before("pin", self.reference)
        session.host.run([*images, "label", self.reference, "=".join(_PINNED)])


def _ctr(session: Session) -> tuple[str, ...]:
    """Return how ctr asks the kubelet's runtime, whatever variables of its own are set."""
    return "ctr", f"--address={session.config.layout.containerd.socket}", "--namespace=k8s.io"
