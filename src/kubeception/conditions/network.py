"""What users of the cluster need of its network, tried from this host."""

import socket
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from typing import TypeVar

from kubeception.conditions.condition import Condition
from kubeception.conditions.nodes import Nodes
from kubeception.endpoints import SERVICE_PORT, Address
from kubeception.errors import ApiError
from kubeception.host import links, network
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
One = TypeVar("One")


def api_at_its_service() -> Condition:
    """An API server answers at the address of the Service `kubernetes`, where pods ask it."""

    def problem(session: Session) -> str | None:
        ca, address = session.layout.pki.ca.certificate, str(session.config.net.apiserver_ip)
        return _tried(lambda: health.silence(SERVICE_PORT, ca, host=address))

    what = "the API to answer at its Service's address"
    return Condition(what, problem, hint=_logs_of(proxy.NAME))


def dns_answers() -> Condition:
    """The cluster's DNS knows the address of the Service `kubernetes`."""

    def problem(session: Session) -> str | None:
        net = session.config.net
        name = f"kubernetes.default.svc.{net.cluster_domain}"
        return _tried(lambda: dns.problem(net.dns_ip, name, net.apiserver_ip))

    return Condition("the cluster's DNS to answer", problem, hint=_logs_of("kube-dns"))


def nodes_reached(node: str, ready: Nodes) -> Condition:
    """The nodes that follow one by name are reached through the pod network."""

    def problem(session: Session) -> str | None:
        there = {one["metadata"]["name"]: one for one in ready(session)}
        next_ones = following(node, there)
        found = _together(next_ones, lambda name: _reaching_problem(_own_end(there[name])))
        told = [f"{name}: {why}" for name, why in zip(next_ones, found, strict=True) if why]
        return "; ".join(told) or None

    what = "other nodes to be reached through the pod network"
    return Condition(what, problem, hint=_logs_of(flannel.NAME))


def somebody_reached() -> Condition:
    """One at least of the nodes to which this host has routes is reached through the pod network.

    A worker's kubelet sees no other Node, so nobody tells it which of them are off.
    """

    def problem(_session: Session) -> str | None:
        if not links.is_up(flannel.LINK):  # its routes went with it
            return f"{flannel.LINK} is down"
        peers = network.gateways(flannel.LINK)[:MOST_PEERS]
        found = _together(peers, _reaching_problem)
        return "; ".join(filter(None, found)) if found and all(found) else None

    what = "another node to be reached through the pod network"
    return Condition(what, problem, hint=_logs_of(flannel.NAME))


def kubelets_answer(ready: Nodes) -> Condition:
    """The API server gets an answer from each node's kubelet, as logs and exec want."""

    def problem(session: Session) -> str | None:
        def ask(node: str) -> str | None:
            try:
                session.api.ask_kubelet(node)
            except ApiError as error:
                return f"{node}: {error.message}"
            return None

        names = [one["metadata"]["name"] for one in ready(session)]
        return "; ".join(filter(None, _together(names, ask))) or None

    return Condition("the API server to reach every node's kubelet", problem)


def following(node: str, others: Iterable[str]) -> list[str]:
    """Return the nodes that follow one by name, in a ring."""
    ring = sorted((name for name in others if name != node), key=lambda name: (name < node, name))
    return ring[:MOST_PEERS]


def _own_end(node: Object) -> Address | None:
    """Return the address of a node's own end of the pod network: the first of its range."""
    ranges = node["spec"].get("podCIDRs") or []
    return ip_network(ranges[0]).network_address if ranges else None


def _reaching_problem(address: Address | None) -> str | None:
    """Say why nothing comes back; that a connection is refused is an answer."""
    if address is None:
        return None

    def problem() -> str | None:
        try:
            socket.create_connection((str(address), kubelet.PORT), timeout=_ANSWER_S).close()
        except ConnectionRefusedError:
            pass
        except OSError as error:
            return f"{address}: {error}"
        return None

    return _tried(problem)


def _tried(problem: Callable[[], str | None]) -> str | None:
    """Return what is wrong at the last of some tries, if it is at all of them."""
    found = problem()
    for _ in range(_TRIES - 1):
        if found is None:
            return None
        time.sleep(_ANSWER_S / 2)
        found = problem()
    return found


def _together(of: Iterable[One], problem: Callable[[One], str | None]) -> list[str | None]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(problem, of))


def _logs_of(name: str) -> str:
    return f"kubectl -n kube-system logs -l k8s-app={name} --tail 20"
