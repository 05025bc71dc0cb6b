"""Figures that were measured in pairs, before and after: the ratio, and how sure it is.

The bound is the sign test's: the order statistics of the ratios between which their median lies
with at least so much confidence, whatever their distribution is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import median

CONFIDENCE = 0.90


@dataclass(frozen=True)
class Ratio:
    """The median of after by before; `low` and `high` are None where there are too few pairs."""

    pairs: int
    before: float
    after: float
    middle: float
    low: float | None
    high: float | None
    confidence: float | None


def ratio(before: Sequence[float], after: Sequence[float]) -> Ratio:
    """Return the ratio of figures, of which the first was measured with the first, and so on."""
    ratios = sorted(new / old for old, new in zip(before, after, strict=True))
    rank = _rank(len(ratios))
    return Ratio(
        pairs=len(ratios),
        before=median(before),
        after=median(after),
        middle=median(ratios),
        low=ratios[rank - 1] if rank else None,
        high=ratios[-rank] if rank else None,
        confidence=_confidence(len(ratios), rank) if rank else None,
    )


def _rank(count: int) -> int:
    """Return the highest rank that keeps the confidence, 0 where not even the extremes do."""
    good = [rank for rank in range(1, count // 2 + 1) if _confidence(count, rank) >= CONFIDENCE]
    return max(good, default=0)


def _confidence(count: int, rank: int) -> float:
    """Return how surely the median lies between the values of a rank from below and from above."""
    beyond = sum(comb(count, fewer) for fewer in range(rank))
    return 1.0 - 2.0 * beyond / float(2**count)
