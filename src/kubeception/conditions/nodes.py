"""Nodes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from kubeception.conditions import log_tail
from kubeception.conditions.condition import Condition, current_problem
from kubeception.conditions.reading import condition_of, conditions_of, time
from kubeception.config.model import Cni
from kubeception.render import flannel, kubelet
from kubeception.render.objects import CONTROL_PLANE, HOSTNAME, Object
from kubeception.session import Session

# A Node's condition, by its host's keeper: something of the cluster's network does not work there.
NETWORK_PROBLEM = "NetworkProblem"
# What it says where all works, since the keeper says so again and again; before, it said nothing.
TRIED = "tried by this host's keeper"
TOLD_EVERY_S, SILENT_S = 120.0, 300.0
# By which a kubelet tells why it evicts pods and takes none, and the Node is Ready all the same;
# and what shows on that host who has it all.
# https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/
_PRESSURES = {
    "DiskPressure": "du -xhd2 / | sort -h | tail",
    "MemoryPressure": "systemd-cgtop --order=memory --iterations=1",
    "PIDPressure": "systemd-cgtop --order=tasks --iterations=1",
}
# Of the runtime, whom the kubelet repeats.
NO_NETWORK = "NetworkPluginNotReady"

Nodes = Callable[[Session], list[Object]]


def node_registered(node: str) -> Condition:
    """The node was made or renewed by the kubelet that runs now, or is a control-plane one already.

    Its Lease alone would cost seconds: a kubelet that started before the API tries it again late.
    """

    def problem(session: Session) -> str | None:
        found = session.api.get("Node", node)
        if found is None:
            return f"there is no Node {node}"
        if CONTROL_PLANE in found["metadata"].get("labels", {}):
            return None
        signs = [found["metadata"]["creationTimestamp"]]
        signs += [c["lastHeartbeatTime"] for c in conditions_of(found) if "lastHeartbeatTime" in c]
        if lease := session.api.get("Lease", node, namespace="kube-node-lease"):
            signs.append(lease["spec"]["renewTime"])
        # Most of these times are whole seconds.
        started = int(session.host.systemd.state(kubelet.UNIT).started_s)
        if max(time(sign).timestamp() for sign in signs) >= started:
            return None
        return "nothing of it is newer than the kubelet"

    return Condition(
        f"node {node} to register",
        problem,
        hint=f"journalctl -u {kubelet.UNIT} -n 50",
        last_words=partial(log_tail.of_unit, unit=kubelet.UNIT),
    )


def lost_label(node: Object) -> str | None:
    """Say which label a Node lacks that its kubelet gives it once, when it starts.

    By it pods are spread over hosts; those of system and architecture the kubelet brings back.
    https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetesiohostname
    """
    is_there = node["metadata"].get("labels", {}).get(HOSTNAME)
    return None if is_there else f"Node {node['metadata']['name']} has lost its label {HOSTNAME}"


def absent(session: Session, *, here: str) -> dict[str, str]:
    """Return which nodes but one are not Ready, and since when: no kubelet speaks for them."""
    away = {}
    for found in session.api.list("Node"):
        ready = next((one for one in conditions_of(found) if one["type"] == "Ready"), None)
        if found["metadata"]["name"] != here and ready and ready["status"] != "True":
            away[found["metadata"]["name"]] = ready["lastTransitionTime"]
    return away


def absences(session: Session, *, here: str) -> Iterator[str]:
    """Yield what to tell of each."""
    for node, since in absent(session, here=here).items():
        yield f"node {node} is not Ready since {since}; pods there are not waited for"


def ready_nodes() -> Nodes:
    """Return what lists the nodes that are Ready: asked once, however many go by it."""
    read: list[list[Object]] = []

    def ready(session: Session) -> list[Object]:
        if not read:
            found = session.api.list("Node")
            read.append([one for one in found if condition_of(one, "Ready")])
        return read[0]

    return ready


def network_problem(node: Object) -> str | None:
    """Return the reason by which a Node says that the cluster's network does not work there."""
    said = _said_of_the_network(node)
    return said["reason"] if said and said["status"] == "True" else None


def networks_work(ready: Nodes) -> Condition:
    """No node that is Ready says that the network does not work there, or says nothing any more."""

    def problem(session: Session) -> str | None:
        now_s = session.host.clock.now().timestamp()
        told = [
            f"{one['metadata']['name']}: {why}"
            for one in ready(session)
            for why in _ills(one, now_s)
        ]
        return "; ".join(told) or None

    hint = "kubeception status, on that host"
    return Condition("the cluster's network to work on every node", problem, hint=hint)


def _ills(node: Object, now_s: float) -> Iterator[str]:
    """Yield what a Node says, and that its keeper, which has said so, is not heard any more."""
    said = _said_of_the_network(node)
    if said is None:
        return
    is_ill = said["status"] == "True"
    if not is_ill and said["message"] != TRIED:  # an earlier version says it once
        return
    since = _told(node)
    is_silent = since is not None and now_s - since.timestamp() >= SILENT_S
    heard = f"its keeper has said nothing since {since:%Y-%m-%dT%H:%M:%SZ}" if is_silent else ""
    if is_ill:
        yield said["message"] + (f"; {heard}" if heard else "")
    elif heard:
        yield f"{heard} (there: systemctl status kubeception-keeper)"


def _told(node: Object) -> datetime | None:
    """Return when its keeper was heard last, by the API's clock, or its host could not speak.

    https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
    """
    ours = f'k:{{"type":"{NETWORK_PROBLEM}"}}'
    written = [
        time(one["time"])
        for one in node["metadata"].get("managedFields", [])
        if ours in one.get("fieldsV1", {}).get("f:status", {}).get("f:conditions", {})
    ]
    back = [
        time(one["lastTransitionTime"])
        for one in conditions_of(node)
        if one["type"] == "Ready" and one.get("lastTransitionTime")
    ]
    return max((*written, *back)) if written else None


def pressures(node: Object) -> tuple[str, ...]:
    """Return what a Node says that its host runs short of."""
    return tuple(kind for kind in _PRESSURES if condition_of(node, kind))


def nodes_have_room(ready: Nodes) -> Condition:
    """No node that is Ready evicts pods for want of disk, memory or process ids."""

    def problem(session: Session) -> str | None:
        told = [
            f"{node['metadata']['name']} evicts pods: {kind} (there: {_PRESSURES[kind]})"
            for node in ready(session)
            for kind in pressures(node)
        ]
        return "; ".join(told) or None

    return Condition("every node to have room for its pods", problem)


def _said_of_the_network(node: Object) -> dict[str, str] | None:
    return next((one for one in conditions_of(node) if one["type"] == NETWORK_PROBLEM), None)


def unready(found: Object | None, node: str) -> str | None:
    """Return why a Node that was read is not Ready, None where it is."""
    if found is None:
        return f"there is no Node {node}"
    for condition in conditions_of(found):
        if condition["type"] == "Ready":
            words = condition.get("message", condition["status"])
            return None if condition["status"] == "True" else words
    return "it has not said anything yet"


def node_ready(node: str) -> Condition:
    """The node says that it is Ready."""

    def problem(session: Session) -> str | None:
        return unready(session.api.get("Node", node), node)

    def last_words(session: Session) -> Sequence[str]:
        """Return flannel's where the kubelet only waits for it."""
        is_flannels = session.config.net.cni is Cni.FLANNEL
        if is_flannels and NO_NETWORK in (current_problem(ready, session) or ""):
            return log_tail.of_pods(session, flannel.LABELS, node=node)
        return log_tail.of_unit(session, kubelet.UNIT)

    ready = Condition(
        f"node {node} to be Ready",
        problem,
        hint=f"kubectl describe node {node}",
        last_words=last_words,
    )
    return ready


def node_ready_anew(node: str) -> Condition:
    """The node is Ready by the word of the kubelet that runs now, not of one before it."""
    ready = node_ready(node)

    def problem(session: Session) -> str | None:
        if why := ready.problem(session):
            return why
        found = session.api.get("Node", node) or {}
        said = [c["lastHeartbeatTime"] for c in conditions_of(found) if c["type"] == "Ready"]
        # The API keeps whole seconds.
        started = int(session.host.systemd.state(kubelet.UNIT).started_s)
        is_new = any(time(moment).timestamp() >= started for moment in said)
        return None if is_new else "it was Ready before the kubelet started, and has not said more"

    hint = f"journalctl -u {kubelet.UNIT} -n 50"
    return replace(ready, problem=problem, hint=hint)
