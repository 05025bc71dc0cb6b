"""What the API refuses to tell the keeper, whose rights a bootstrap gives. Pure."""

from dataclasses import dataclass, field, replace

from kubeception.keeper.own_node import Tries

# An API server that has just started may not have read all roles yet.
REFUSED_S = 10.0


@dataclass(frozen=True)
class Refused:
    """Why a question was refused last, since when, and how often a bootstrap was tried for it.

    Where that doesn't help, for somebody else decides who may what, it is tried ever more seldom.
    """

    why: str | None = None
    since_s: float = 0.0
    tries: Tries = field(default_factory=lambda: Tries(first_s=REFUSED_S))

    def then(self, why: str, now_s: float) -> "Refused":
        """Return it after one more such answer."""
        return replace(self, why=why, since_s=self.since_s if self.why else now_s)

    def forgotten(self, now_s: float) -> "Refused":
        """Return it as after a bootstrap: the next answer counts, and how often it was tried."""
        tries = self.tries.then(now_s) if self.is_due(now_s) else self.tries
        return Refused(tries=tries)

    def lasting(self, now_s: float) -> str | None:
        """Return why, once it has been so for a while."""
        return self.why if now_s - self.since_s >= REFUSED_S else None

    def is_due(self, now_s: float) -> bool:
        """Tell whether a bootstrap is to be tried."""
        return self.why is not None and now_s - self.since_s >= self.tries.patience_s(now_s)
