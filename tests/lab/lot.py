"""What a run draws by lot, where all of it would take too long; it prints the seed."""

import os
import random
from collections.abc import Sequence
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
