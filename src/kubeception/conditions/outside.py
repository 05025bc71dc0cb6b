"""Whether other hosts reach an API server of this one, as the kernel remembers who has come."""

from functools import partial

from kubeception.conditions import log_tail
from kubeception.conditions.condition import Condition
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
        one["address"]: node["metadata"]["name"]
        for node in session.api.list("Node")
        for one in node.get("status", {}).get("addresses", [])
        if one["type"] == "InternalIP" and node["metadata"]["name"] != but
    }


def reached_by_others(node: str, port: int) -> Condition:
    """One of the nodes that another API server of this host serves reaches the one on a port.

    That is hopeless where one of them has tried it in vain, and not waited for where none tries.
    """
    nodes: dict[str, str] = {}
    vain_since_s: list[float] = []

    def problem(session: Session) -> str | None:
        found = door.read()
        served = {who for who, at in found.reached if at != port} if found else set()
        if found is None or not served:
            return None
        nodes.update(nodes or nodes_by_address(session, but=node))
        served &= nodes.keys()
        if not served or served & {who for who, at in found.reached if at == port}:
            return None
        came = served & {who for who, at in found.tried if at == port}
        if not came:
            return "no other node has tried it yet"
        vain_since_s.append(session.host.clock.monotonic())
        why = f"it answers on port {port} here, and not for {', '.join(nodes[one] for one in came)}"
        if vain_since_s[-1] - vain_since_s[0] >= VAIN_S:
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
