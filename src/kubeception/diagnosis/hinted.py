"""What is wrong, in a sentence, each with what helps."""

from collections.abc import Iterable
from typing import Protocol


class Hinting(Protocol):
    """Something wrong that says what helps."""

    @property
    def hint(self) -> str:
        """A command, or what a person has to do."""
        ...


def told(found: Iterable[Hinting]) -> str | None:
    """Say what is wrong, each with what helps; None where nothing is."""
    return "; ".join(f"{one} ({one.hint})" for one in found) or None
