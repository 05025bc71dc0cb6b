"""What a pod of this host reaches of what its host reaches: what differs is between these two.

So nobody is blamed for another host that is off, or for an API that is silent.
"""

import contextlib
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, ip_network
from urllib.parse import urlsplit

from kubeception import conditions
from kubeception.conditions.network import is_answered, tried
from kubeception.endpoints import API_PORT, Network
from kubeception.errors import KubeceptionError
from kubeception.host import departures, links, network
from kubeception.host.own_network import OwnNetwork
from kubeception.keeper.pod_place import PodPlace
from kubeception.keeper.trouble import Reason, Trouble
from kubeception.kept import membership
from kubeception.kube import kubelet
from kubeception.render import flannel
from kubeception.session import Session

# Of others' addresses so many are tried: all of them leave this host the same way.
_NODES = 2
_DISCARD = 9

_WORDS = {
    Reason.API: "pods do not reach the API at its Service's address",
    Reason.DNS: "pods do not reach the cluster's DNS",
    Reason.PODS: "pods reach no other node through the pod network",
    Reason.NODES: "pods do not reach what their host does",
    Reason.MASQUERADE: "what pods send to other hosts is not masqueraded",
    Reason.SETUP: "pods get no network",
}


def look(session: Session, place: PodPlace) -> Trouble | None:
    """Return the first thing that no pod reaches though its host does; that has been looked at."""
    try:
        if not place.is_wanted:
            place.end()
            return None
        found = _look(session, place) if place.is_there else None
        if found or not place.is_there:  # the place itself may be what is broken
            place.renew()
            found = _look(session, place)
    except (KubeceptionError, OSError) as error:
        return _trouble(Reason.SETUP, str(error))
    return found


def _look(session: Session, place: PodPlace) -> Trouble | None:
    pods = ip_network(str(session.config.net.cluster_cidr), strict=False)
    for target in _targets(session):
        if found := at_address(place, target, pods):
            return found
    services = (
        (Reason.API, conditions.api_at_its_service()),
        (Reason.DNS, conditions.dns_answers()),
    )
    for reason, condition in services:
        if problem := place.ask(partial(condition.problem, session)):
            return _trouble(reason, problem)
    problem = conditions.somebody_reached(place.ask).problem(session)
    return _trouble(Reason.PODS, problem) if problem else None


def _trouble(reason: Reason, why: str) -> Trouble:
    return Trouble(reason, f"{_WORDS[reason]}: {why}", from_pod=True)


@dataclass(frozen=True)
class Target:
    """Where something may answer that is neither this host nor a pod."""

    address: IPv4Address
    port: int


def _targets(session: Session) -> Iterator[Target]:
    """Yield the API of a worker; the next nodes' kubelets, or else whom the host itself goes by."""
    if member := membership.read(session.layout.membership):
        at = urlsplit(member.apiserver)
        with contextlib.suppress(ValueError):  # a name; its API is asked at its Service, too
            yield Target(IPv4Address(at.hostname or ""), at.port or API_PORT)
        return
    nodes = sorted({*links.tunnels(flannel.LINK).values()})
    for address in nodes[:_NODES]:
        yield Target(address, kubelet.PORT)
    if not nodes:
        routes = network.default_routes(proc=session.host.proc)[:1]
        for address in (one for route in routes for one in _gateways(session, route.interface)):
            yield Target(address, _DISCARD)


def _gateways(session: Session, link: str) -> list[IPv4Address]:
    return network.gateways(link, proc=session.host.proc)[:1]


@dataclass(frozen=True)
class _Trial:
    """How a connection fared: the addresses from which packets left, and if it was answered."""

    sources: Set[IPv4Address]
    is_answered: bool


def at_address(place: PodPlace | OwnNetwork, target: Target, pods: Network) -> Trouble | None:
    """Say how a pod fares otherwise than its host with somebody who is outside."""

    def answered() -> bool:
        return is_answered(target.address, target.port)

    by_host = _trial(target, answered)
    if not by_host.sources:  # nobody has that address just now
        return None
    reason, where = Reason.NODES, f"{target.address}:{target.port}"

    def problem() -> str | None:
        nonlocal reason
        by_pod = _trial(target, lambda: place.ask(answered))
        reason = Reason.NODES
        if not by_pod.sources:
            return f"what they send to {where} does not leave this host"
        if as_it_was := {one for one in by_pod.sources if one in pods}:
            reason = Reason.MASQUERADE
            return f"it leaves for {where} from {', '.join(map(str, sorted(as_it_was)))}"
        if by_host.is_answered and not by_pod.is_answered:
            return f"{where} answers this host, and no pod of it"
        return None

    why = tried(problem)
    return _trouble(reason, why) if why else None


def _trial(target: Target, question: Callable[[], bool]) -> _Trial:
    said: list[bool] = []
    left = departures.sources(target.address, target.port, during=lambda: said.append(question()))
    return _Trial(left, said[0])
