"""What users of the cluster need of its network, tried from this host and its pods' network."""

import functools
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace

from kubeception import conditions, resolver
from kubeception.conditions import Condition
from kubeception.config.model import Cni
from kubeception.diagnosis import (
    container_programs,
    disks,
    network_cause,
    other_networks,
    own_mounts,
)
from kubeception.errors import KubeceptionError
from kubeception.host import network
from kubeception.host.network import Dropped
from kubeception.keeper import pod_look
from kubeception.keeper.pod_place import PodPlace
from kubeception.keeper.trouble import Looks, Reason, Trouble
from kubeception.session import Session

log = logging.getLogger("kubeception.keeper")

# A Service that has moved, or a pod that has, is followed within seconds: it counts if it is so
# twice. A fault is told within a minute.
LOOK_EVERY_S = 15.0
# Where the host itself reaches it nothing has moved.
LOOK_AGAIN_S = 5.0

_WORDS = {
    Reason.API: "the API does not answer at its Service's address",
    Reason.DNS: "the cluster's DNS does not answer",
    Reason.PODS: "no other node is reached through the pod network",
    Reason.LARGE: "large packets are lost in the pod network",
    Reason.DISK: "a disk takes nothing any more",
    Reason.MOUNTS: "pods get no volumes",
    Reason.RESOLVER: "no pod could start, for want of the resolver file that it inherits",
    Reason.SERVERS: "pods find no names of the world outside",
    Reason.PROGRAMS: "no pod could start",
    Reason.OTHERS: "new pods get another network",
    Reason.CONNECTIONS: "the kernel's table of connections is full",
    Reason.PROXY: "Services stay as they were",
    Reason.UNTRIED: "the cluster's network can't be tried from here",
}


# What is a cause itself.
_CAUSES = {
    Reason.DISK,
    Reason.MOUNTS,
    Reason.RESOLVER,
    Reason.SERVERS,
    Reason.PROGRAMS,
    Reason.OTHERS,
    Reason.CONNECTIONS,
    Reason.PROXY,
}


class NetworkWatch:
    """Tries it beside the keeper's other work, for an answer may take its time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._place = PodPlace(session)
        self._looks = Looks()
        self.count = 0
        threading.Thread(target=self._watch, daemon=True).start()

    def trouble(self) -> Trouble | None:
        """Return what does not work."""
        return self._looks.lasting

    def _watch(self) -> None:
        rest, last = threading.Event(), None
        while True:
            # What is not so again does not count: that a network comes up has no cause to look for.
            explains = self._looks.trouble is not None
            self._looks = self._looks.then(
                look(self._session, self._place, explains=explains, last=last)
            )
            last = _dropped(self._session)
            self.count += self._looks.is_sure
            rest.wait(LOOK_AGAIN_S if self._looks.is_to_be_seen_again else LOOK_EVERY_S)


def _dropped(session: Session) -> Dropped | None:
    """Return what the kernel has dropped by now, None where it does not say."""
    try:
        return network.dropped(proc=session.host.proc)
    except (OSError, ValueError):
        return None


def look(
    session: Session, place: PodPlace, *, explains: bool = True, last: Dropped | None = None
) -> Trouble | None:
    """Return the first thing that does not work: from the host, or else from a pod of it.

    With its cause, if asked: that takes a look at all that may be one; `last` is what the kernel
    had dropped at the last look, for whoever sends what is wrong does so at times of its own. A
    look that fails is trouble itself: of a watch that has ended nobody would hear.
    """
    try:
        return _look(session, place, explains=explains, last=last)
    except Exception as error:  # noqa: BLE001 - whatever it is, the next look may tell more
        why = f"{type(error).__name__}: {error}"
        _tell(why)
        return Trouble(Reason.UNTRIED, f"{_WORDS[Reason.UNTRIED]}: {why}")


# Who looks does so again and again.
@functools.lru_cache(maxsize=8)
def _tell(why: str) -> None:
    log.warning("a look at the cluster's network has failed: %s", why, exc_info=True)


def _look(
    session: Session, place: PodPlace, *, explains: bool, last: Dropped | None
) -> Trouble | None:
    before = network.dropped(proc=session.host.proc)
    found = _of_host(session) or pod_look.look(session, place)
    if found is None or not explains:
        return found
    dropped = network.dropped(proc=session.host.proc).since(
        replace(before, by_checksum=last.by_checksum) if last else before
    )
    return _explained(session, found, dropped)


def _of_host(session: Session) -> Trouble | None:
    for reason, condition in _needed(session):
        try:
            problem = condition.problem(session)
        except (KubeceptionError, OSError) as error:
            problem = str(error)
        if problem:
            return Trouble(reason, f"{_WORDS[reason]}: {problem}")
    return None


def _needed(session: Session) -> Iterator[tuple[Reason, Condition]]:
    yield Reason.DISK, Condition("disks to write to", disks.problem)
    yield Reason.MOUNTS, Condition("mounts that others see", own_mounts.problem)
    yield Reason.RESOLVER, Condition("a resolver file", resolver.problem)
    yield Reason.PROGRAMS, Condition("the programs by which pods start", container_programs.problem)
    yield Reason.OTHERS, Condition("no other network's settings", other_networks.problem)
    yield Reason.CONNECTIONS, conditions.connections_have_room()
    brings_network = session.config.net.cni is Cni.FLANNEL
    if brings_network:
        yield Reason.PODS, conditions.somebody_reached()
        yield Reason.LARGE, conditions.large_packets_pass()
    yield Reason.API, conditions.api_at_its_service()
    if brings_network:
        yield Reason.DNS, conditions.dns_answers()
    yield Reason.PROXY, conditions.proxy_works()
    yield Reason.SERVERS, Condition("name servers that pods may ask", resolver.problem_of_servers)


def _explained(session: Session, found: Trouble, dropped: Dropped) -> Trouble:
    """Add the cause, where it can be told."""
    if found.reason in _CAUSES:
        return found
    try:
        why = network_cause.look(
            session,
            is_dns=found.reason is Reason.DNS,
            is_masquerade=found.reason is Reason.MASQUERADE,
            is_large=found.reason is Reason.LARGE,
            is_between_nodes=found.reason is Reason.PODS,
            dropped=dropped,
        )
    except (KubeceptionError, OSError):  # what is wrong is said without it
        return found
    return replace(found, words=f"{found.words}; {why}") if why else found
