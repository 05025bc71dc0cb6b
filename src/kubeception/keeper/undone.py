"""What a join has made of a worker and is gone, and when the join is carried out again. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from kubeception.keeper.own_node import Tries
from kubeception.standstill import Kind, Standstill

# Units that systemd is about to start, and a resolver that starts with them, are there within this.
PATIENCE_S = 30.0


@dataclass(frozen=True)
class Undone:
    """What is gone for `for_s` seconds; after `patience_s` the join is carried out again."""

    found: Standstill
    for_s: float = 0.0
    patience_s: float = PATIENCE_S

    @property
    def is_due(self) -> bool:
        """Whether it has had its time to come back by itself."""
        return self.for_s >= self.patience_s

    def __str__(self) -> str:
        return str(self.found)


@dataclass(frozen=True)
class Looks:
    """What was gone at the last look, and since when; how often a join was tried for each kind."""

    found: Standstill | None = None
    since_s: float = 0.0
    tries: Mapping[Kind, Tries] = field(default_factory=dict)

    def then(self, found: Standstill | None, now_s: float) -> "Looks":
        """Return them with one more."""
        is_same = found and self.found and found.kind is self.found.kind
        return replace(self, found=found, since_s=self.since_s if is_same else now_s)

    def forgotten(self) -> "Looks":
        """Return them with nothing seen yet, as after a change of the host."""
        return replace(self, found=None)

    def joined(self, now_s: float) -> "Looks":
        """Return them with one more try for what is gone, whatever it has come to."""
        if self.found is None:
            return self
        kind = self.found.kind
        return replace(self, tries={**self.tries, kind: self._tries(kind).then(now_s)})

    def undone(self, now_s: float) -> Undone | None:
        """Return what is gone."""
        if self.found is None:
            return None
        patience_s = self._tries(self.found.kind).patience_s(now_s)
        return Undone(self.found, now_s - self.since_s, patience_s)

    def _tries(self, kind: Kind) -> Tries:
        return self.tries.get(kind, Tries(first_s=PATIENCE_S))
