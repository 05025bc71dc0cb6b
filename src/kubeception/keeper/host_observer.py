"""What the keeper remembers of its host, whatever its role: of address, network, kubelet."""

from collections.abc import Iterator
from dataclasses import replace

from kubeception import host_network
from kubeception.conditions import API_SILENT_S
from kubeception.config.model import Cni
from kubeception.endpoints import Address
from kubeception.errors import KubeceptionError
from kubeception.gather import address
from kubeception.host import network
from kubeception.keeper.network_watch import NetworkWatch
from kubeception.keeper.own_node import Moved, Tries, Unready
from kubeception.keeper.trouble import Trouble
from kubeception.keeper.verdict import ETCD_SILENT_S, LEASE_STILL_S, Observation
from kubeception.pki.token import Role
from kubeception.render import kubelet
from kubeception.resources import Resource
from kubeception.resources.no_orphans import NoOrphans
from kubeception.resources.node_rules import NodeRules
from kubeception.resources.rewritten import Rewritten
from kubeception.session import Session

NETWORK_EVERY_S = ORPHANS_EVERY_S = 10.0
# What did not help may later.
RESTORE_EVERY_S = 30.0
PACE_EVERY_S, PACE_COUNTS_S = 5.0, 30.0


class HostObserver:
    """Remembers since when the host's address is gone, and since when its node is not Ready."""

    def __init__(self, session: Session, node: str) -> None:
        self._session = session
        self._node = node
        self._restarts = Tries()
        self._network = NetworkWatch(session)
        self._kubelet = ""
        self._network_lost: list[tuple[Resource, str]] = []
        self._was_whole: set[str] = set()
        self._orphans: tuple[str | None, str | None] = (None, None)
        self._orphans_read_s: float | None = None
        self._network_read_s: float | None = None
        self._restored_s: float | None = None
        self._paces: dict[float, float] = {}
        self.forget()

    def forget(self) -> None:
        """Start every count anew, as after a change of the host."""
        self._ready_s = self._at_home_s = self._session.host.clock.monotonic()

    def has_restarted_the_kubelet(self) -> None:
        """Remember that the kubelet was restarted, or that it could not be: it gets its time."""
        self._ready_s = self._session.host.clock.monotonic()
        self._restarts = self._restarts.then(self._ready_s)

    def trouble(self) -> Trouble | None:
        """Return what of the cluster's network does not work from here."""
        return self._network.trouble()

    def looks(self) -> int:
        """Return how often the cluster's network was tried, and it was sure how it is."""
        return self._network.count

    def has_restored_the_network(self) -> None:
        """Remember that it was tried: who starts anew needs a moment."""
        self._restored_s = self._session.host.clock.monotonic()
        self._network_read_s = None
        self._was_whole.clear()

    def with_network(self, seen: Observation, now: float, *, at_once: bool = False) -> Observation:
        """Add what of this host's network somebody took away.

        That is read once in a while, and while something is lost at each look.
        """
        last = self._network_read_s
        at_once |= bool(self._network_lost)
        if at_once or last is None or now - last >= NETWORK_EVERY_S:
            self._network_read_s = now
            found = host_network.look(self._session, seen.pods)
            self._network_lost = host_network.drifted(found)
            self._was_whole |= {str(one) for one, why in found if not why}
        due = () if seen.api_silent_s else tuple(self._due(now))
        return replace(seen, network_lost=host_network.told(self._network_lost), network_due=due)

    def with_orphans(self, seen: Observation, now: float) -> Observation:
        """Add what the runtime has lost, at two looks: of the first it may be about to end it."""
        last, before = self._orphans_read_s, self._orphans[1]
        if before or last is None or now - last >= ORPHANS_EVERY_S:
            self._orphans_read_s = now
            self._orphans = (before, NoOrphans().drift(self._session))
        return replace(seen, orphans=self._orphans[1] if self._orphans[0] else None)

    def with_pace(self, seen: Observation, now: float) -> Observation:
        """Add how slow this machine is, where somebody is about to be late."""
        is_late = (
            (seen.role is Role.CONTROL_PLANE and seen.api_silent_s >= API_SILENT_S / 2)
            or seen.etcd_silent_s >= ETCD_SILENT_S / 2
            or any(still_s >= LEASE_STILL_S / 2 for _, still_s in seen.stale_leases)
            or (seen.unready is not None and seen.unready.may_need_a_new_kubelet())
        )
        return replace(seen, slowness=self.slowness(now)) if is_late else seen

    def slowness(self, now: float) -> float:
        """Return how slow this machine is, or was a moment ago, when who is late was asked."""
        self._paces = {at: pace for at, pace in self._paces.items() if now - at < PACE_COUNTS_S}
        if not self._paces or now - max(self._paces) >= PACE_EVERY_S:
            self._paces[now] = self._session.host.clock.slowness()
        return max(self._paces.values())

    def _due(self, now: float) -> Iterator[str]:
        """Yield what is to be restored now: of rules, those that have been there.

        Or those whose program has been there for long; but for that, it may just be starting.
        """
        is_early = self._restored_s is not None and now - self._restored_s < RESTORE_EVERY_S
        runs_s: dict[str, float] = {}
        for one, _ in self._network_lost:
            was_there = isinstance(one, NodeRules) and str(one) in self._was_whole
            if was_there or (not is_early and self._has_had_its_time(one, runs_s)):
                yield str(one)

    def _has_had_its_time(self, one: Resource, runs_s: dict[str, float]) -> bool:
        """Tell whether its program, if it has one, has; the runtime is asked once for each."""
        if not isinstance(one, Rewritten):
            return True
        if one.program.name not in runs_s:
            runs_s[one.program.name] = one.program.runs_s(self._session)
        return one.is_overdue(self._session.host.clock, runs_s[one.program.name])

    def moved(self, now: float) -> Moved | None:
        """Return where the host has gone, None while it has the address that it goes by."""
        before = address_gone_by(self._session)
        if before is None or network.has_address(before):
            self._at_home_s = now
            return None
        try:
            other = address(self._session)
        except KubeceptionError:  # it has none now
            other = before
        return Moved(before, other if other != before else None, now - self._at_home_s)

    def unready(self, why: str | None, now: float) -> Unready | None:
        """Return how this host's node is not Ready, None where `why` says that it is."""
        start = self._start_of_the_kubelet() if why else self._kubelet
        if why is None or start != self._kubelet:
            self._kubelet, self._ready_s = start, now
        if why is None:
            return None
        return Unready(
            self._node,
            why,
            now - self._ready_s,
            self._restarts.patience_s(now),
            brings_network=self._session.config.net.cni is not Cni.NONE,
        )

    def _start_of_the_kubelet(self) -> str:
        """Return what tells one start of the kubelet from another, as far as that can be asked."""
        try:
            return self._session.host.systemd.state(kubelet.UNIT).invocation
        except KubeceptionError:
            return self._kubelet


def address_gone_by(session: Session) -> Address | None:
    """Return the address that this host was made to go by, None where nobody says."""
    try:
        return kubelet.address_in(session.layout.kubelet.environment.read_text())
    except OSError:
        return None
