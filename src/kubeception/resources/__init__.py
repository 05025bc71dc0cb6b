"""The few kinds of wanted thing: each can say how it differs, and can make itself so."""

import difflib
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from kubeception.session import Session


class Resource(Protocol):
    """Something that is wanted; `str()` names it in messages."""

    def drift(self, session: Session) -> str | None:
        """Say how the real thing differs, or None; tolerates whatever is missing."""

    def apply(self, session: Session) -> None:
        """Make the real thing what is wanted; twice is the same as once."""


@runtime_checkable
class WithContent(Protocol):
    """One with a content that can be compared line by line."""

    def diff(self, session: Session) -> tuple[str, ...]:
        """Return how its content would change; nothing of what not everybody may read."""


@runtime_checkable
class WithFiles(Protocol):
    """One that differs as soon as one of these files does."""

    started_after: tuple[Path, ...]


@runtime_checkable
class Confirmed(Protocol):
    """One whose change is confirmed by the answer to it: it is not looked at again."""

    is_confirmed: ClassVar[bool]


def unified(name: str, before: str, after: str) -> tuple[str, ...]:
    """Return the unified diff of two texts."""
    lines = before.splitlines(), after.splitlines()
    return tuple(difflib.unified_diff(*lines, f"{name} (now)", f"{name} (wanted)", lineterm=""))
