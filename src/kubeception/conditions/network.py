"""What users of the cluster need of its network, tried from this host."""

import socket
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv4Network, ip_network
from typing import TypeVar

from kubeception.conditions.condition import Condition
from kubeception.conditions.nodes import Nodes
from kubeception.endpoints import SERVICE_PORT, Address
from kubeception.host import echo, links, network
from kubeception.kube import dns, health, kubelet
from kubeception.kube.client import Object
from kubeception.render import flannel, proxy
from kubeception.session import Session

# So many others each node tries, those that follow it in a ring: each is tried by somebody.
MOST_PEERS = 8
_ANSWER_S = 1.0
# A Service may have moved just now, and a packet be lost.
_TRIES = 3
_AT_ONCE = 16
# What every way carries (RFC 791), and what is tried where the largest packets are lost, in bytes.
_SMALL = 576
_SMALLER = (1400, 1350, 1300, 1230, 1150, 1000, 800, _SMALL)
One = TypeVar("One")
Other = TypeVar("Other")
# Has a question answered from a pod of this host.
Asked = Callable[[Callable[[], list[str | None]]], list[str | None]]


def api_at_its_service() -> Condition:
    """An API server answers at the address of the Service `kubernetes`, where pods ask it."""

    def problem(session: Session) -> str | None:
        ca, address = session.layout.pki.ca.certificate, str(session.config.net.apiserver_ip)
        return tried(lambda: health.silence(SERVICE_PORT, ca, host=address))

    what = "the API to answer at its Service's address"
    return Condition(what, problem, hint=_logs_of(proxy.NAME))


def dns_answers() -> Condition:
    """The cluster's DNS knows the address of the Service `kubernetes`."""

    def problem(session: Session) -> str | None:
        net = session.config.net
        name = f"kubernetes.default.svc.{net.cluster_domain}"
        return tried(lambda: dns.problem(net.dns_ip, name, net.apiserver_ip))

    return Condition("the cluster's DNS to answer", problem, hint=_logs_of("kube-dns"))


def nodes_reached(node: str, ready: Nodes) -> Condition:
    """The nodes that follow one by name are reached through the pod network."""

    def problem(session: Session) -> str | None:
        there = {one["metadata"]["name"]: one for one in ready(session)}
        next_ones = following(node, there)
        found = together(next_ones, lambda name: _reaching_problem(_own_end(there[name])))
        told = [f"{name}: {why}" for name, why in zip(next_ones, found, strict=True) if why]
        return "; ".join(told) or None

    what = "other nodes to be reached through the pod network"
    return Condition(what, problem, hint=_logs_of(flannel.NAME))


def somebody_reached(pod: Asked | None = None) -> Condition:
    """One at least of the nodes to which this host has routes is reached through the pod network.

    A worker's kubelet sees no other Node, so nobody tells it which of them are off. Where a `pod`
    is asked, it asks a pod there first; a node without a place among its pods answers itself.
    """

    def problem(session: Session) -> str | None:
        if not links.is_up(flannel.LINK):  # its routes went with it
            return f"{flannel.LINK} is down"
        peers = _ranges_of_peers(session)
        found = pod(lambda: together(peers, _pod_problem)) if pod else _of_host(peers)
        return "; ".join(filter(None, found)) if found and all(found) else None

    what = "another node to be reached through the pod network"
    return Condition(what, problem, hint=_logs_of(flannel.NAME))


def large_packets_pass() -> Condition:
    """The largest packets of flannel's link come back from the nodes to which this host has routes.

    A node of which small ones don't come back either is off, or lets no echo in: it says nothing.
    """

    def problem(session: Session) -> str | None:
        size = links.mtu(flannel.LINK)
        if size <= _SMALL:
            return None
        lost = [one for one in together(_ranges_of_peers(session), partial(_lost, size)) if one]
        if not lost:
            return None
        ends = ", ".join(str(one.address) for one in lost)
        passes = min(one.passes for one in lost)
        return (
            f"of {size} bytes none come back from {ends}, of {passes} they do"
            f" (ip link set {flannel.LINK} mtu {passes})"
        )

    what = "large packets to pass through the pod network"
    return Condition(what, problem, hint=_logs_of(flannel.NAME))


@dataclass(frozen=True)
class _Lost:
    """From where large packets don't come back, and how large ones do."""

    address: IPv4Address
    passes: int


def _lost(size: int, pods: IPv4Network) -> _Lost | None:
    """Return that packets of a size are lost on the way to a node's pods, of which small ones pass.

    The node itself is asked, or else its keeper's place among its pods.
    """
    for address in (pods.network_address, place_in(pods)):
        is_back = partial(echo.is_answered, address, timeout_s=_ANSWER_S)
        if is_back(size):
            return None
        if not is_back(_SMALL):
            continue
        if any(is_back(size) for _ in range(_TRIES - 1)):
            return None
        passes = (smaller for smaller in _SMALLER if smaller < size and is_back(smaller))
        return _Lost(address, next(passes, _SMALL))
    return None


def _ranges_of_peers(session: Session) -> list[IPv4Network]:
    """Return the ranges of the nodes that this host tries, by its routes."""
    own = [address for link, address in network.addresses() if link == flannel.LINK]
    return following_ranges(own, network.ranges(flannel.LINK, proc=session.host.proc))


def following(node: str, others: Iterable[str]) -> list[str]:
    """Return the nodes that follow one by name, in a ring."""
    ring = sorted((name for name in others if name != node), key=lambda name: (name < node, name))
    return ring[:MOST_PEERS]


def following_ranges(
    own: Sequence[IPv4Address], others: Sequence[IPv4Network]
) -> list[IPv4Network]:
    """Return the ranges of the nodes that follow the one with these addresses, in a ring."""
    first = sum(any(other.network_address < one for one in own) for other in others)
    return [*others[first:], *others[:first]][:MOST_PEERS]


def place_in(pods: IPv4Network) -> IPv4Address:
    """Return where a node whose pods have that range tries what a pod would reach, and answers."""
    return pods[-2]


def _of_host(peers: Sequence[IPv4Network]) -> list[str | None]:
    return together((one.network_address for one in peers), _reaching_problem)


def _pod_problem(pods: IPv4Network) -> str | None:
    """Say why neither a pod of a node comes back with an answer nor the node itself."""
    if is_answered(place_in(pods), kubelet.PORT):
        return None
    return _reaching_problem(pods.network_address)


def is_answered(address: Address, port: int) -> bool:
    """Tell whether anything comes back; that a connection is refused is an answer."""
    return _connecting_problem(address, port) is None


def _connecting_problem(address: Address, port: int) -> str | None:
    try:
        socket.create_connection((str(address), port), timeout=_ANSWER_S).close()
    except ConnectionRefusedError:
        pass
    except OSError as error:
        return f"{address}: {error}"
    return None


def _own_end(node: Object) -> Address | None:
    """Return the address of a node's own end of the pod network: the first of its range."""
    pods = range_of_pods(node)
    return ip_network(pods).network_address if pods else None


def range_of_pods(node: Object) -> str | None:
    """Return the range from which a node's pods get their addresses, None while it has none."""
    ranges: list[str] = node["spec"].get("podCIDRs") or []
    return ranges[0] if ranges else None


def _reaching_problem(address: Address | None) -> str | None:
    """Say why nothing comes back from a node's own end."""
    if address is None:
        return None
    return tried(lambda: _connecting_problem(address, kubelet.PORT))


def tried(problem: Callable[[], str | None]) -> str | None:
    """Return what is wrong at the last of some tries, if it is at all of them."""
    found = problem()
    for _ in range(_TRIES - 1):
        if found is None:
            return None
        time.sleep(_ANSWER_S / 2)
        found = problem()
    return found


def together(of: Iterable[One], look: Callable[[One], Other]) -> list[Other]:
    """Return what is found of each of many, some of them looked at at once."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(look, of))


def _logs_of(name: str) -> str:
    return f"kubectl -n kube-system logs -l k8s-app={name} --tail 20"
