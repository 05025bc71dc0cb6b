"""A file with this content, owner and mode; or no such file."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from kubeception.host import files
from kubeception.layout import OUR_MARK
from kubeception.render.objects import MANAGED_BY
from kubeception.resources import unified
from kubeception.session import Session

_OTHERS_READ = 0o004


@dataclass(frozen=True)
class File:
    """A wanted file; a secret's content is never shown.

    `content=None` wants it gone. With `if_ours` one that doesn't say that we wrote it is left.
    """

    path: Path
    content: str | None = field(repr=False)
    mode: int = 0o644
    if_ours: bool = False

    def __str__(self) -> str:
        return str(self.path)

    def drift(self, session: Session) -> str | None:
        """Say whether it is missing, or what of it differs."""
        path = session.host.at(self.path)
        there = os.path.lexists(path)
        if self.if_ours and there and not is_ours(path):
            return None
        if self.content is None:
            return "is there" if there or files.unfinished(path).exists() else None
        try:
            found, mode = path.read_bytes(), files.mode_of(path)
        except FileNotFoundError:
            return "missing"
        if found != self.content.encode():
            return "content differs"
        return f"mode is {mode:04o}" if mode != self.mode else None

    def diff(self, session: Session) -> tuple[str, ...]:
        """Return how its content would change, where everybody may read it, before and after."""
        path = session.host.at(self.path)
        try:
            found, mode = path.read_bytes(), files.mode_of(path)
        except FileNotFoundError:
            found, mode = b"", self.mode
        if self.content is None or not self.mode & mode & _OTHERS_READ:
            return ()
        return unified(str(self.path), found.decode(errors="replace"), self.content)

    def apply(self, session: Session) -> None:
        """Write or remove it, durably."""
        path = session.host.at(self.path)
        if self.content is None:
            files.remove(path)
        else:
            files.write(path, self.content, mode=self.mode)


def is_ours(path: Path) -> bool:
    """Tell whether there is a file that says that we wrote it: by our mark, or a pod's label."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError):
        return False
    [(name, value)] = MANAGED_BY.items()
    return text.startswith(OUR_MARK) or f'"{name}": "{value}"' in text
