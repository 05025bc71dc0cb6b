"""Look at a worker, again and again: at the host itself, and more seldom at what its API says.

The API is asked as the host's own kubelet, which may read its Node, the cluster's settings, and a
ClusterUpgrade that its Node names.
"""

from dataclasses import replace
from datetime import UTC, datetime

from kubeception import conditions
from kubeception.config import Config, cluster
from kubeception.errors import KubeceptionError
from kubeception.gather import settings_for_worker
from kubeception.host import kernel, lock, pause
from kubeception.keeper.errand import NO_ERRANDS
from kubeception.keeper.errand_watch import ErrandWatch
from kubeception.keeper.host_observer import HostObserver
from kubeception.keeper.own_node import is_to_reboot
from kubeception.keeper.trouble import Trouble
from kubeception.keeper.undone_watch import UndoneWatch
from kubeception.keeper.verdict import Observation
from kubeception.kept import membership
from kubeception.pki.token import Role
from kubeception.resources.credential import credential_problem
from kubeception.resources.serving_certificate import serving_problem
from kubeception.session import Session

# A cluster may have thousands of workers.
ASK_EVERY_S = 20.0
# While this host goes to another release, and others wait for it.
ASK_OFTEN_S = 2.0
# What is asked for in vain is asked for again then.
LOOK_AT_SERVING_EVERY_S = 600.0


class WorkerObserver:
    """Remembers what the API said last, and since when it says nothing."""

    def __init__(self, session: Session, node: str) -> None:
        self._session = session
        self._node = node
        self._host = HostObserver(session, node)
        self._not_ready: str | None = None
        self._said = Observation(role=Role.WORKER)
        self._answered_s = session.host.clock.monotonic()
        self._asked_s: float | None = None
        self._expiring: str | None = None
        self._serving_read_s: float | None = None
        self._errand_watch = ErrandWatch(session)
        self._undone_watch = UndoneWatch(session)
        self._has_tried_to_register = False

    def forget(self) -> None:
        """Start every count anew, and ask at once, as after a change of the host."""
        self._host.forget()
        self._undone_watch.forget()
        self._asked_s = self._expiring = None

    def has_joined(self) -> None:
        """Remember that the join was carried out again, whatever it came to."""
        self._undone_watch.has_joined(self._session.host.clock.monotonic())

    def has_restarted_the_kubelet(self) -> None:
        """Remember it, and ask at once what has come of it."""
        self._host.has_restarted_the_kubelet()
        self._has_tried_to_register, self._asked_s = True, None

    def trouble(self) -> Trouble | None:
        """Return what of the cluster's network does not work from here."""
        return self._host.trouble()

    def looks(self) -> int:
        """Return how often the cluster's network was tried, and it was sure how it is."""
        return self._host.looks()

    def has_restored_the_network(self) -> None:
        """Remember it."""
        self._host.has_restored_the_network()

    def has_told(self, *, in_vain: bool) -> None:
        """Ask at once what the Node says now; where that was in vain, when it is time to."""
        self._said = replace(self._said, errands=NO_ERRANDS)
        if not in_vain:
            self._asked_s = None

    def observe(self) -> Observation:
        """Return what is to be seen now."""
        session, now = self._session, self._session.host.clock.monotonic()
        often_s = ASK_EVERY_S if self._said.errands.work is None else ASK_OFTEN_S
        if self._asked_s is None or now - self._asked_s >= often_s:
            self._asked_s = now
            self._said = self._ask(now)
        seen = replace(
            self._said,
            paused=pause.said(session.layout.keeper, datetime.now(UTC)),
            locked=lock.holder(session.layout.lock),
            moved=self._host.moved(now),
            trouble=self._host.trouble(),
            # A keeper that has just started knows nothing else yet than what was said before.
            told_trouble=self._said.told_trouble if self._host.looks() else None,
            unready=None if self._said.api_problem else self._host.unready(self._not_ready, now),
        )
        seen = self._host.with_orphans(self._host.with_network(seen, now), now)
        return self._host.with_pace(self._with_undone(seen, now), now)

    def _with_undone(self, seen: Observation, now: float) -> Observation:
        """Add what of the join is gone: what a person is at does not count, nor how long it was."""
        if seen.paused or seen.locked:
            self._undone_watch.forget()
            return seen
        is_ill = bool(seen.network_lost or seen.unready or seen.trouble)
        return replace(seen, undone=self._undone_watch.look(now, is_ill=is_ill))

    def _ask(self, now: float) -> Observation:
        """Ask the API for what the host alone can't tell."""
        session, seen = self._session, Observation(role=Role.WORKER)
        member = membership.read(session.layout.membership)
        if member is None:
            return replace(seen, lost=f"{session.layout.membership}")
        if problem := credential_problem(session, self._node):
            path = session.layout.kubelet.renewed_client
            return replace(seen, credential_problem=f"{path}: {problem}")
        session.as_kubelet(member)
        try:
            found = session.api.get("Node", self._node)
            self._not_ready = conditions.unready(found, self._node) if found else None
            session.shared = None
            told = settings_for_worker(session)
            self._look_at_serving(now)
            errands = self._errand_watch.look(found) if found else NO_ERRANDS
        except KubeceptionError as error:
            session.hang_up()  # the kubelet may have another certificate by now
            return replace(seen, api_problem=error.message, api_silent_s=now - self._answered_s)
        self._answered_s = now
        problem = conditions.lost_label(found) if found else f"Node {self._node} is gone"
        self._has_tried_to_register &= problem is not None
        copy = cluster.read(session.layout.cluster)
        # Folders are a host's own, and may be other ones since this keeper has started.
        is_stale = told is not None and (
            copy is None or copy.settings != told.with_paths_of(copy.settings.over(Config()))
        )
        return replace(
            seen,
            node_problem=problem,
            is_gone=found is None,
            is_unregistered=self._has_tried_to_register,
            pods=conditions.range_of_pods(found) if found else None,
            told_trouble=conditions.network_problem(found) if found else None,
            is_to_reboot=is_to_reboot(found, kernel.boot_id(session.host.proc)),
            errands=errands,
            has_new_settings=is_stale,
            expiring=self._expiring,
        )

    def _look_at_serving(self, now: float) -> None:
        """Look once in a while by which CA the kubelet serves."""
        last, session = self._serving_read_s, self._session
        if last is None or now - last >= LOOK_AT_SERVING_EVERY_S:
            self._serving_read_s = now
            problem = serving_problem(session)
            self._expiring = f"the kubelet's serving certificate: {problem}" if problem else None
