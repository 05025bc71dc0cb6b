"""The file system of our own image as a folder of the host, for the keeper to run in.

After a power cut the keeper has to be there before the kubelet, where no container can be.
"""

from dataclasses import dataclass
from pathlib import Path

from kubeception.host import files, tree
from kubeception.session import Session


@dataclass(frozen=True)
class ImageRoot:
    """A wanted copy of the file system that this process runs in, or of `source`.

    The folder bears the identity of what is in it, so a keeper that runs in another one keeps its
    files until it starts anew.
    """

    path: Path
    source: Path = Path("/")

    def __str__(self) -> str:
        return str(self.path)

    def drift(self, session: Session) -> str | None:
        """Say whether it is missing; one that is there is whole."""
        return None if session.host.at(self.path).is_dir() else "missing"

    def apply(self, session: Session) -> None:
        """Copy it, unless it is there."""
        path = session.host.at(self.path)
        if path.is_dir():
            return
        with files.whole_folder(path) as partial:
            tree.copy(self.source, partial)


@dataclass(frozen=True)
class NoOtherImageRoot:
    """No copy of another image is wanted beside this one, once nothing runs in it."""

    path: Path

    def __str__(self) -> str:
        return f"folders beside {self.path}"

    def drift(self, session: Session) -> str | None:
        """Name those that are left."""
        return ", ".join(path.name for path in self._others(session)) or None

    def apply(self, session: Session) -> None:
        """Remove them."""
        for path in self._others(session):
            files.discard(path)

    def _others(self, session: Session) -> list[Path]:
        path = session.host.at(self.path)
        kind = path.name.partition("-")[0]
        found = (*path.parent.glob(f"{kind}-*"), *path.parent.glob(f".{kind}-*"))
        return sorted(other for other in found if other != path)
