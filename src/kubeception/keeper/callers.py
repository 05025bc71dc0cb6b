"""Who has come from outside to the API server that has the door, as the kernel remembers it."""

import contextlib
from collections.abc import Mapping, Set
from dataclasses import replace
from ipaddress import ip_address, ip_network

from kubeception.conditions.outside import nodes_by_address
from kubeception.diagnosis import firewall
from kubeception.endpoints import Network
from kubeception.errors import KubeceptionError
from kubeception.host.door import DoorState
from kubeception.keeper.rollout import Rollout
from kubeception.session import Session

# Anybody may knock at the door, and the API not be asked each time who that is.
ASK_EVERY_S = 10.0


class Callers:
    """Knows nodes by their addresses; asks for them only when a stranger has come."""

    def __init__(self, session: Session, node: str) -> None:
        self._session = session
        self._node = node
        self._names: dict[str, str] = {}
        self._asked_s: float | None = None

    def add(self, rollout: Rollout, at: DoorState, *, is_shut: bool) -> Rollout:
        """Add who has come to a revision that is to be proven, and what drops their packets."""
        if rollout.is_proven:
            return rollout
        newest = rollout.newest
        if newest is not None and newest.port == at.outside:
            nodes = self._nodes({who for who, _ in at.tried | at.reached})
            pods = ip_network(str(self._session.config.net.cluster_cidr))
            in_vain, reached = outcome(at, newest.port, nodes, pods)
            rollout = replace(rollout, in_vain=in_vain, reached=reached)
        if is_shut or (rollout.in_vain and not rollout.reached):
            with contextlib.suppress(KubeceptionError):  # that they are shut out is true without it
                cause = firewall.dropped_from_others(self._session, rollout.port)
                rollout = replace(rollout, blocked=cause or "")
        return rollout

    def _nodes(self, came: Set[str]) -> Mapping[str, str]:
        """Return other nodes by their addresses, read anew where somebody else has come."""
        now = self._session.host.clock.monotonic()
        is_time = self._asked_s is None or now - self._asked_s >= ASK_EVERY_S
        if is_time and came - self._names.keys():
            self._asked_s = now
            self._names = nodes_by_address(self._session, but=self._node)
        return self._names


def outcome(
    at: DoorState, port: int, nodes: Mapping[str, str], pods: Network
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return who has come to a port in vain, and the nodes whose connections to it have stood.

    A stranger who is dropped says nothing: he counts who has reached another server here. Nor does
    a pod, whose packets come another way than those of hosts.
    """
    came, stood = at.came_to(port), at.stood_at(port)
    served = {who for who in at.stood_elsewhere(port) if ip_address(who) not in pods}
    in_vain = {nodes.get(who, who) for who in came - stood if who in nodes or who in served}
    return tuple(sorted(in_vain)), tuple(sorted(nodes[who] for who in stood if who in nodes))
