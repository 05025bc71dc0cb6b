"""Whether other hosts reach an API server of this one, as the kernel remembers who has come."""

from collections.abc import Iterable
from functools import partial

from kubeception.conditions import log_tail
from kubeception.conditions.condition import Condition, Lasting
from kubeception.conditions.reading import node_addresses
from kubeception.errors import Hopeless
from kubeception.host import door
from kubeception.session import Session

# Those whose packets come and whose connections don't stand by then are shut out: the kernel of a
# busy machine shakes hands as ever, and a packet that is lost is sent anew within a second.
VAIN_S = 2.0
# A keeper tries the API every fifteen seconds.
TRIED_WITHIN_S = 20.0


def nodes_by_address(session: Session, *, but: str) -> dict[str, str]:
    """Return the nodes but one, by the addresses by which others know them."""
    return {
        address: node["metadata"]["name"]
        for node in session.api.list("Node")
        if node["metadata"]["name"] != but
        for address in node_addresses(node)
    }


def shut_out(port: int, names: Iterable[str]) -> str:
    """Say that the server on a port serves this host, and others in vain."""
    return f"it answers on port {port} here, and not for {', '.join(names)}"


def reached_by_others(node: str, port: int) -> Condition:
    """One of the nodes that another API server of this host serves reaches the one on a port.

    That is hopeless where one of them has tried it in vain, and not waited for where none tries.
    """
    nodes: dict[str, str] = {}
    in_vain = Lasting()

    def problem(session: Session) -> str | None:
        found = door.read()
        served = found.stood_elsewhere(port) if found else set()
        if found is None or not served:
            return None
        nodes.update(nodes or nodes_by_address(session, but=node))
        served &= nodes.keys()
        if not served or served & found.stood_at(port):
            return None
        came = served & found.came_to(port)
        if not came:
            return "no other node has tried it yet"
        why = shut_out(port, sorted(nodes[one] for one in came))
        if in_vain.lasts_s(session.host.clock.monotonic()) >= VAIN_S:
            raise Hopeless(why)
        return why

    return Condition(
        "other nodes to reach it",
        problem,
        timeout_s=TRIED_WITHIN_S,
        required=False,
        hint="kubeception status names what drops it",
        last_words=partial(log_tail.of_apiserver, port=port),
    )
