"""What a run draws by lot, where all of it would take too long; it prints the seed."""

import os
import random
from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

One = TypeVar("One")

# A run is repeated with the one that it printed; all processes of a run have the same.
SEED = int(os.environ.setdefault("KUBECEPTION_SEED", str(random.randrange(10_000))))
IS_SOAK = "KUBECEPTION_SOAK" in os.environ


def drawn(every: Sequence[One], count: int) -> list[One]:
    """Return some of several, in their order; all of them where there is time."""
    if IS_SOAK:
        return list(every)
    kept = sorted(random.Random(SEED).sample(range(len(every)), count))
    return [every[number] for number in kept]


def within(
    quota_min: int, minutes: Mapping[str, int], *, always: Collection[str]
) -> frozenset[str]:
    """Return the names for whose minutes there is time; of those not always in, some by lot."""
    if IS_SOAK:
        return frozenset(minutes)
    taken = set(always)
    left_min = quota_min - sum(minutes[name] for name in always)
    others = sorted(minutes.keys() - taken)
    for name in random.Random(SEED).sample(others, len(others)):
        if minutes[name] <= left_min:
            left_min -= minutes[name]
            taken.add(name)
    return frozenset(taken)
