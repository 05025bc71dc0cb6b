"""What a worker's Node says of the cluster's network, said again and again while it is so.

Who has stopped to try it has nothing to say, so on other hosts silence is told from "it works".
"""

from kubeception import conditions
from kubeception.errors import KubeceptionError
from kubeception.keeper import actions
from kubeception.keeper.verdict import Observation, Verdict
from kubeception.keeper.worker_observer import WorkerObserver
from kubeception.session import Session

# An API that has refused it is asked again.
AGAIN_S = 20.0


class Heartbeat:
    """Remembers when it is to be said again, and after which look at the network it was said."""

    def __init__(self, session: Session, node: str, watch: WorkerObserver) -> None:
        self._session = session
        self._node = node
        self._watch = watch
        self._said_after = 0
        self._put_off(AGAIN_S)

    def look(self, seen: Observation, _verdict: Verdict) -> None:
        """Say it again where it is time to, if it was looked at since; a change is another's."""
        looks = self._watch.looks()
        is_known = (seen.trouble and seen.trouble.reason) == seen.told_trouble
        is_due = self._session.host.clock.monotonic() >= self._due_s
        nobody_listens = seen.api_problem or seen.credential_problem or seen.is_gone or seen.lost
        if not (is_due and is_known) or nobody_listens or looks == self._said_after:
            return
        try:
            is_new = self._said_after == 0
            actions.tell_of_the_network(self._session, self._node, seen.trouble, is_new=is_new)
        except KubeceptionError:  # its own look at the API says why
            self._put_off(AGAIN_S)
        else:
            self._said_after = looks
            self._put_off(conditions.TOLD_EVERY_S)

    def _put_off(self, by_s: float) -> None:
        self._due_s = self._session.host.clock.monotonic() + by_s
