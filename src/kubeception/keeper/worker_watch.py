"""Look at a worker, again and again: at the host itself, and more seldom at what its API says.

The API is asked as the host's own kubelet, which may read its Node and the cluster's settings.
"""

from dataclasses import replace
from datetime import UTC, datetime

from kubeception import conditions, membership
from kubeception.config import cluster
from kubeception.errors import KubeceptionError
from kubeception.gather import settings_for_worker
from kubeception.host import lock
from kubeception.keeper import pause
from kubeception.keeper.host_watch import HostWatch
from kubeception.keeper.verdict import Observation
from kubeception.pki.token import Role
from kubeception.reach import Reach
from kubeception.resources.credential import credential_problem

# A cluster may have thousands of workers.
ASK_EVERY_S = 20.0


class WorkerWatch:
    """Remembers what the API said last, and since when it says nothing."""

    def __init__(self, reach: Reach, node: str) -> None:
        self._reach = reach
        self._node = node
        self._host = HostWatch(reach, node)
        self._not_ready: str | None = None
        self._said = Observation(role=Role.WORKER)
        self._answered_s = reach.host.clock.monotonic()
        self._asked_s: float | None = None

    def forget(self) -> None:
        """Start every count anew, and ask at once, as after a change of the host."""
        self._host.forget()
        self._asked_s = None

    def has_restarted_the_kubelet(self) -> None:
        """Remember it."""
        self._host.has_restarted_the_kubelet()

    def look(self) -> Observation:
        """Return what is to be seen now."""
        reach, now = self._reach, self._reach.host.clock.monotonic()
        if self._asked_s is None or now - self._asked_s >= ASK_EVERY_S:
            self._asked_s = now
            self._said = self._ask(now)
        return replace(
            self._said,
            paused=pause.said(reach.layout.keeper, datetime.now(UTC)),
            locked=lock.holder(reach.layout.lock),
            moved=self._host.moved(now),
            unready=None if self._said.api_problem else self._host.unready(self._not_ready, now),
        )

    def _ask(self, now: float) -> Observation:
        """Ask the API for what the host alone can't tell."""
        reach, seen = self._reach, Observation(role=Role.WORKER)
        member = membership.read(reach.layout.membership)
        if member is None:
            return replace(seen, lost=f"{reach.layout.membership}")
        if problem := credential_problem(reach, self._node):
            path = reach.layout.kubelet.renewed_client
            return replace(seen, credential_problem=f"{path}: {problem}")
        reach.as_kubelet(member)
        try:
            found = reach.api.get("Node", self._node)
            self._not_ready = conditions.node_ready(self._node).problem(reach) if found else None
            reach.shared = None
            told = settings_for_worker(reach)
        except KubeceptionError as error:
            reach.hang_up()  # the kubelet may have another certificate by now
            return replace(seen, api_problem=error.message, api_silent_s=now - self._answered_s)
        self._answered_s = now
        copy = cluster.read(reach.layout.cluster)
        is_stale = told is not None and (copy is None or copy.settings != told)
        return replace(
            seen,
            node_problem=None if found else f"Node {self._node} is gone",
            has_new_settings=is_stale,
        )
