"""What a probe saw of the API, request by request, and what it comes to.

Pure: the lab's tests and the measuring of recovery judge by the same figures.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Request:
    """One request: when it was asked, for how long it took, and why it failed, if it did."""

    at_s: float
    took_s: float
    why: str = ""


@dataclass(frozen=True)
class Span:
    """A length of time in which the API answered, or in which it did not.

    One without an API lasts from the last answer before it to the first one after it.
    """

    start_s: float
    end_s: float
    answered: int
    failed: int = 0
    why: str = ""

    @property
    def is_gap(self) -> bool:
        """Whether requests failed in it."""
        return self.failed > 0


def spans(requests: Iterable[Request], *, zero_s: float = 0.0) -> list[Span]:
    """Return what a probe saw as spans, in order, with times as seconds since `zero_s`."""
    merged: list[Span] = []
    for span in _between_answers([replace(r, at_s=r.at_s - zero_s) for r in requests]):
        if merged and merged[-1].is_gap is span.is_gap:
            merged[-1] = _joined(merged[-1], span)
        else:
            merged.append(span)
    return merged


def gap_s(seen: Iterable[Span]) -> float:
    """Return for how long at most there was no API; 0 where no request failed."""
    return max((span.end_s - span.start_s for span in seen if span.is_gap), default=0.0)


def failed(seen: Iterable[Span]) -> int:
    """Return how many requests failed."""
    return sum(span.failed for span in seen)


def slowest_s(requests: Iterable[Request]) -> float:
    """Return how long the slowest answer took."""
    return max((request.took_s for request in requests if not request.why), default=0.0)


def _between_answers(requests: Sequence[Request]) -> Iterator[Span]:
    """Yield the span from each answer to the next, with the requests that failed in it."""
    if not requests:
        return
    begin = min(request.at_s for request in requests)
    end = max(request.at_s + request.took_s for request in requests)
    failures = sorted((r for r in requests if r.why), key=lambda request: request.at_s)
    for arrival in sorted(r.at_s + r.took_s for r in requests if not r.why):
        count = sum(failure.at_s < arrival for failure in failures)
        yield Span(begin, arrival, 1, count, _words(failures[:count]))
        begin, failures = arrival, failures[count:]
    if failures:
        yield Span(begin, end, 0, len(failures), _words(failures))


def _joined(one: Span, other: Span) -> Span:
    return Span(
        one.start_s,
        other.end_s,
        one.answered + other.answered,
        one.failed + other.failed,
        one.why or other.why,
    )


def _words(failures: Iterable[Request]) -> str:
    """Return the reason that is given most."""
    return next((why for why, _ in Counter(f.why for f in failures).most_common(1)), "")
