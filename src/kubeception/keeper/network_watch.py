"""What users of the cluster need of its network, tried from this host again and again."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from kubeception import conditions
from kubeception.conditions import Condition
from kubeception.config.model import Cni
from kubeception.errors import KubeceptionError
from kubeception.session import Session

# A Service that has moved, or a pod that has, is followed within seconds: it counts if it is so
# twice. A fault is told within a minute.
LOOK_EVERY_S = 15.0
_IN_A_ROW = 2


class Reason(StrEnum):
    """What does not work from here, as a Node's condition has it."""

    API = "ApiServiceUnreachable"
    DNS = "ClusterDnsUnreachable"
    PODS = "PodNetworkUnreachable"


_WORDS = {
    Reason.API: "the API does not answer at its Service's address",
    Reason.DNS: "the cluster's DNS does not answer",
    Reason.PODS: "no other node is reached through the pod network",
}


@dataclass(frozen=True)
class Trouble:
    """What does not work, and why."""

    reason: Reason
    words: str

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Looks:
    """What did not work at the last look, and at how many in a row something did not."""

    trouble: Trouble | None = None
    in_a_row: int = 0

    def then(self, found: Trouble | None) -> "Looks":
        """Return them with one more."""
        return Looks(found, self.in_a_row + 1 if found else 0)

    @property
    def lasting(self) -> Trouble | None:
        """What counts: not what a single look saw."""
        return self.trouble if self.in_a_row >= _IN_A_ROW else None


class NetworkWatch:
    """Tries it beside the keeper's other work, for an answer may take its time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._looks = Looks()
        threading.Thread(target=self._watch, daemon=True).start()

    def trouble(self) -> Trouble | None:
        """Return what does not work."""
        return self._looks.lasting

    def _watch(self) -> None:
        rest = threading.Event()
        while True:
            self._looks = self._looks.then(look(self._session))
            rest.wait(LOOK_EVERY_S)


def look(session: Session) -> Trouble | None:
    """Return the first thing that does not work."""
    for reason, condition in _needed(session):
        try:
            problem = condition.problem(session)
        except (KubeceptionError, OSError) as error:
            problem = str(error)
        if problem:
            return Trouble(reason, f"{_WORDS[reason]}: {problem}")
    return None


def _needed(session: Session) -> Iterator[tuple[Reason, Condition]]:
    brings_network = session.config.net.cni is Cni.FLANNEL
    if brings_network:
        yield Reason.PODS, conditions.somebody_reached()
    yield Reason.API, conditions.api_at_its_service()
    if brings_network:
        yield Reason.DNS, conditions.dns_answers()
