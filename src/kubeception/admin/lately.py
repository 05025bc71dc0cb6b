"""Answers that are good for a while: what costs others something isn't asked at each look."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass
class Lately:
    """What was answered, for so many seconds; with none each question is asked.

    `suspects` are nodes whose kubelet did not serve at the last look.
    """

    for_s: float = 0.0
    suspects: set[str] = field(default_factory=set)
    _answers: dict[str, tuple[float, Any]] = field(default_factory=dict)

    def ask(self, name: str, question: Callable[[], T], *, now_s: float) -> T:
        """Return the answer to a question that has a name, as it was lately or is now."""
        said = self._answers.get(name)
        if said is not None and now_s - said[0] < self.for_s:
            answer: T = said[1]
            return answer
        answer = question()
        self._answers[name] = (now_s, answer)
        return answer

    def forget(self) -> None:
        """Have everything asked at the next look."""
        self._answers.clear()
