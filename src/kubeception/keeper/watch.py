"""Look at the host, cheaply, again and again; no API credential is needed for it."""

from datetime import UTC, datetime

from kubeception.conditions import LEASES
from kubeception.errors import KubeceptionError
from kubeception.host import door, lock
from kubeception.keeper import pause
from kubeception.keeper.verdict import Observation
from kubeception.kube import health
from kubeception.reach import DOOR_PORT, Reach
from kubeception.render import apiserver, controllers
from kubeception.render.objects import NAMESPACE

_MANIFESTS = (apiserver.BOOTSTRAP_NAME, *(one.bootstrap_name for one in controllers.BOTH))


class Watch:
    """Remembers since when things are as they are; only a change of it is told by looking twice."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self.forget()

    def forget(self) -> None:
        """Start every count anew, as after a change of the host."""
        now = self._reach.host.clock.monotonic()
        self._answered_s = now
        self._was_silent = False
        self._leases: dict[str, tuple[int, float]] = dict.fromkeys(LEASES, (-1, now))

    def look(self) -> Observation:
        """Return what is to be seen now.

        A healthy host costs one request through the door and one per Lease to etcd.
        """
        reach = self._reach
        now = reach.host.clock.monotonic()
        ca = reach.layout.pki.ca.certificate
        answered = health.not_ready(DOOR_PORT, ca) is None
        self._was_silent |= not answered
        if answered:
            self._answered_s = now
        silent_s = now - self._answered_s
        etcd_problem: str | None = None
        still: tuple[tuple[str, float], ...] = ()
        try:
            still = self._still_leases(now)
        except KubeceptionError as error:
            etcd_problem = error.message
        manifests = reach.layout.kubelet.manifests
        return Observation(
            paused=pause.said(reach.layout.keeper, datetime.now(UTC)),
            locked=lock.holder(reach.layout.lock),
            manifests=tuple(n for n in _MANIFESTS if (manifests / f"{n}.yaml").exists()),
            api_silent_s=silent_s,
            api_is_back=answered and self._was_silent,
            has_door=not silent_s or door.read() is not None,
            ready=tuple(
                port
                for port in (apiserver.HOSTED_PORTS if silent_s else ())
                if health.not_ready(port, ca) is None
            ),
            etcd_problem=etcd_problem,
            still_leases=still,
        )

    def _still_leases(self, now: float) -> tuple[tuple[str, float], ...]:
        """Return for how long each Lease has not moved in etcd; no clock of others is asked."""
        for lease in LEASES:
            revision = self._reach.etcd.mod_revision(f"/registry/leases/{NAMESPACE}/{lease}")
            if revision != self._leases[lease][0]:
                self._leases[lease] = (revision, now)
        return tuple((lease, now - since) for lease, (_, since) in self._leases.items())
