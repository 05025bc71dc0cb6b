"""A file with this content, owner and mode; or no such file."""

from dataclasses import dataclass, field
from pathlib import Path

from kubeception.host import files
from kubeception.reach import Reach


@dataclass(frozen=True)
class File:
    """A wanted file; `content=None` wants it gone. A secret's content is never shown."""

    path: Path
    content: str | None = field(repr=False)
    mode: int = 0o644

    def __str__(self) -> str:
        return str(self.path)

    def drift(self, reach: Reach) -> str | None:
        """Say whether it is missing, or what of it differs."""
        path = reach.host.at(self.path)
        if self.content is None:
            return "is there" if path.is_symlink() or path.exists() else None
        try:
            found, mode = path.read_bytes(), files.mode_of(path)
        except FileNotFoundError:
            return "missing"
        if found != self.content.encode():
            return "content differs"
        return f"mode is {mode:04o}" if mode != self.mode else None

    def apply(self, reach: Reach) -> None:
        """Write or remove it, durably."""
        path = reach.host.at(self.path)
        if self.content is None:
            files.remove(path)
        else:
            files.write(path, self.content, mode=self.mode)
