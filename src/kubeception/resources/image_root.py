"""The file system of our own image as a folder of the host, for the keeper to run in.

After a power cut the keeper has to be there before the kubelet, where no container can be.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from kubeception import crash
from kubeception.host import files, tree
from kubeception.layout import LIBRARY
from kubeception.reach import Reach

_PROGRAMS = Path("usr")
_LIBRARY = LIBRARY.relative_to("/")
# Enough of an identity to tell folders apart by.
_SHORT = 12


@dataclass(frozen=True)
class ImageRoot:
    """A wanted link to a copy of the file system that this process runs in, or of `source`.

    Each copy has a folder of its own beside the link, so that a keeper that runs in the old one
    keeps its files until it starts anew.
    """

    path: Path
    source: Path = Path("/")

    def __str__(self) -> str:
        return str(self.path)

    def drift(self, reach: Reach) -> str | None:
        """Say whether it is missing, or of another image."""
        link = reach.host.at(self.path)
        if not link.is_symlink() or not link.exists():
            return "missing"
        if link.samefile(self.source):  # this is the keeper's own bootstrap
            return None
        return None if _identity(link.resolve()) == _identity(self.source) else "content differs"

    def apply(self, reach: Reach) -> None:
        """Copy it beside the link and turn the link to it; the copy before the last one goes."""
        link = reach.host.at(self.path)
        wanted = _identity(self.source)
        folder = link.with_name(f"{link.name}-{wanted[:_SHORT]}")
        used = link.readlink().name if link.is_symlink() else ""
        for old in link.parent.glob(f"{link.name}-*"):
            if old.name not in {used, folder.name}:
                files.discard(old)
        if not folder.exists() or _identity(folder) != wanted:
            files.discard(folder)
            partial = files.unfinished(folder)
            crash.before("copy", partial)
            tree.copy(self.source, partial)
            os.utime(partial)  # newer than the start of any keeper that ran in another one
            crash.before("rename to", folder)
            partial.rename(folder)
            crash.before("sync the folder of", folder)
            files.sync_folder(folder.parent)
        files.link(link, Path(folder.name))


def _identity(root: Path) -> str:
    return tree.identity(root, programs=_PROGRAMS, library=_LIBRARY)
