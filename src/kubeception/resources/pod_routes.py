"""The ways to other nodes' pods: of each node a route, a neighbour and the end of its tunnel.

flannel writes them when it starts and when a Node changes. Who restarts the host's network, sets
the link down and up, or deletes it, has taken them away until flannel starts anew.
"""

from dataclasses import dataclass

from kubeception.host import links, network
from kubeception.render import flannel
from kubeception.resources.rewritten import OfFlannel
from kubeception.session import Session

# flannel writes the three of a node one after the other.
_IS_WRITTEN_S = 0.2


@dataclass(frozen=True)
class PodRoutes(OfFlannel):
    """All of them, by what is left of each."""

    def __str__(self) -> str:
        return "flannel's routes"

    def drift(self, session: Session) -> str | None:
        """Say which are gone, or how all of them are."""
        why = _absence()
        if why is None and _loss(session):
            session.host.clock.sleep(_IS_WRITTEN_S)
            why = _loss(session)
        return why

    def apply(self, session: Session) -> None:
        """Have flannel write them anew; where none is left, no tunnel of before is, either."""
        if not network.gateways(flannel.LINK, proc=session.host.proc):
            links.forget_tunnels(flannel.LINK)
        super().apply(session)


def _absence() -> str | None:
    if links.is_up(flannel.LINK):
        return None
    how = "down" if links.has_link(flannel.LINK) else "not there"
    return f"are gone: link {flannel.LINK} is {how}"


def _loss(session: Session) -> str | None:
    routed = set(network.gateways(flannel.LINK, proc=session.host.proc))
    nearby = network.neighbours(flannel.LINK, proc=session.host.proc)
    tunnels = links.tunnels(flannel.LINK)
    if not routed and (tunnels or nearby or _is_other_link(session)):
        return "are gone, all of them"
    whole = {one for one, link_address in nearby.items() if link_address in tunnels}
    lost = sorted((routed | nearby.keys()) - (routed & whole))
    return f"are not whole: those to {', '.join(map(str, lost))}" if lost else None


def _is_other_link(session: Session) -> bool:
    """Tell whether somebody has deleted the link, for which flannel makes an empty one."""
    told = session.host.content(flannel.LINK_INDEX)
    return told is not None and told.strip() != str(links.index(flannel.LINK)).encode()
