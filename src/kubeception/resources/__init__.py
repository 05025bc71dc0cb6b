"""The few kinds of wanted thing: each can say how it differs, and can make itself so."""

from typing import Protocol

from kubeception.reach import Reach


class Resource(Protocol):
    """Something that is wanted; `str()` names it in messages."""

    def drift(self, reach: Reach) -> str | None:
        """Say how the real thing differs, or None; tolerates whatever is missing."""

    def apply(self, reach: Reach) -> None:
        """Make the real thing what is wanted; twice is the same as once."""
