"""Work off ClusterUpgrades, the oldest first, one at a time: look, judge, do, write down."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import monotonic

from kubeception import crash
from kubeception.conditions.upgrades import age, is_open
from kubeception.controller import batches, cluster_upgrade
from kubeception.controller.batches import Change, Run, SeenNode, State, Verb
from kubeception.controller.events import tell
from kubeception.errors import ApiError
from kubeception.kube.client import Api, Object
from kubeception.kube.eviction import ENDING, told_to_end
from kubeception.kube.lease import Lease
from kubeception.render.cluster_controller import NAME
from kubeception.render.cluster_upgrade import (
    CORDONED_NOTE,
    KIND,
    NOTES,
    ORDER_NOTE,
    REBOOT_NOTE,
    Errand,
    Phase,
)

log = logging.getLogger("kubeception.controller")

LOOK_EVERY_S = 5.0
# So often nodes are let go whose ClusterUpgrade somebody has deleted; and while one that has failed
# holds some, which a person may open and close again for reasons of his own.
_ORPHANS_EVERY_S, _HELD_EVERY_S = 300.0, 20.0
_EXISTS = 409
# So many of those that have ended are kept, for people to look at.
_KEPT = 20
_NOT_ASKED = dict.fromkeys(note for note in NOTES if note != CORDONED_NOTE)
_ERRANDS = {State.UPGRADING: Errand.RELEASE, State.RUNNING: Errand.COMMAND}
_WARNINGS = frozenset({Phase.FAILED, Phase.ABORTED})


@dataclass
class _Look:
    """What one look has read of the batch at hand: its Nodes, and which of their pods have to go.

    A Node is read once, and after a change is as that left it; pods are read at each step.
    """

    nodes: dict[str, Object] = field(default_factory=dict)
    pods: dict[str, list[Object]] = field(default_factory=dict)

    def read_all(self, api: Api) -> list[Object]:
        found = api.list("Node")
        self.nodes = {one["metadata"]["name"]: one for one in found}
        return found

    def seen(self, name: str) -> SeenNode | None:
        if name not in self.nodes:
            return None
        pods = self.pods.get(name)
        return cluster_upgrade.seen(
            self.nodes[name], None if pods is None else tuple(map(_full_name, pods))
        )


class Upgrades:
    """Remembers when to look again; all else is in the objects."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._due_s = self._orphans_due_s = 0.0

    def look(self, api: Api) -> None:
        """Go on with the one whose turn it is, where it is time to, as far as nobody is waited for.

        Raises:
            ApiError: the API can't be asked, or somebody has changed it meanwhile.
        """
        if monotonic() < self._due_s:
            return
        self._due_s = monotonic() + LOOK_EVERY_S
        every = api.list(KIND)
        waiting = sorted(filter(is_open, every), key=age)
        if waiting:
            self._work_off(api, waiting[0])
        for one in waiting[1:]:
            status = cluster_upgrade.waiting_for(waiting[0]["metadata"]["name"], one, _now())
            self._write(api, one, status)
        if not waiting and monotonic() >= self._orphans_due_s:
            held = self._let_orphans_go(api, {one["metadata"]["name"] for one in every})
            self._orphans_due_s = monotonic() + (_HELD_EVERY_S if held else _ORPHANS_EVERY_S)
            self._forget(api, every, held)

    def _work_off(self, api: Api, found: Object) -> None:
        run, look = cluster_upgrade.of(found), _Look()
        if not run.nodes:
            wanted = None if found["spec"].get("all") else found["spec"]["nodes"]
            turns = cluster_upgrade.in_turn(
                look.read_all(api), wanted, release=run.release, canary=run.canary
            )
            run = replace(run, nodes=turns)
        is_new = True
        while is_new and self._lease.hold(api):
            now = _now()  # a window may open between two looks at the clock
            after, changes = batches.step(run, _seen(api, run, look, now), now)
            is_new = after.nodes != run.nodes
            for change in changes:
                if not self._lease.hold(api):
                    return
                words, is_done = _carried_out(api, change, run, look)
                after = after.saying(change.node, words)
                is_new |= is_done
            status = cluster_upgrade.status_of(after, found, now)
            has_gone = any(map(cluster_upgrade.has_gone, after.nodes))
            if after.is_aborted and after.phase.is_end and has_gone:
                _send_back(api, found)
            found = self._write(api, found, status)
            for reason, said, kind in _events(run, after, status["message"]):
                tell(api, found, reason, said, kind=kind)
            if not after.at_hand:
                look = _Look()  # the next batch is of other nodes
            run, is_new = after, is_new and not after.phase.is_end
        if run.phase.is_end:
            self._orphans_due_s = 0.0  # it may hold nodes

    def _write(self, api: Api, found: Object, status: Object) -> Object:
        """Write a status that says something new."""
        if status == found.get("status"):
            return found
        crash.before("write down", status["message"])
        return api.set_fields(found, {"/status": status}, manager=NAME, status=True)

    def _forget(self, api: Api, every: list[Object], held: set[str]) -> None:
        """Delete those of commands that have ended long ago and hold no node.

        What people have named would be applied anew by whoever sees that it is missing.
        """
        of_commands = [one for one in every if "generateName" in one["metadata"]]
        for one in sorted(of_commands, key=age)[:-_KEPT]:
            if one["metadata"]["name"] not in held and self._lease.hold(api):
                api.delete(KIND, one["metadata"]["name"])

    def _let_orphans_go(self, api: Api, known: set[str]) -> set[str]:
        """Let nodes go whose ClusterUpgrade is gone; return which ones hold nodes still.

        A node that somebody has uncordoned is held no more: who cordons it again has his reasons.
        """
        held = set[str]()
        for node in api.list("Node"):
            name, at = node["metadata"]["name"], cluster_upgrade.seen(node)
            holder = (node["metadata"].get("annotations") or {}).get(CORDONED_NOTE)
            why = ""
            if (holder or at.is_asked) and holder not in known:
                why = f"its {KIND} is gone"
            elif holder and not at.is_cordoned:
                why = "somebody has uncordoned it"
            elif holder:
                held.add(holder)
            if why and self._lease.hold(api):
                api.merge("Node", name, _let_go(at), manager=NAME)
                log.info("node %s: %s, %s", name, Verb.LET_GO, why)
        return held


def _seen(api: Api, run: Run, look: _Look, now: datetime) -> dict[str, SeenNode | None]:
    """Return the nodes that count; with pods only where no more can come: the batch is cordoned."""
    if not run.at_hand:
        if not run.may_begin(now):
            return {}
        if not look.nodes:
            look.read_all(api)
        return {name: look.seen(name) for name in look.nodes}
    for one in run.at_hand:
        if one.name not in look.nodes and (node := api.get("Node", one.name)):
            look.nodes[one.name] = node
    draining = [one.name for one in run.at_hand if one.state is State.DRAINING]
    there = [name for name in draining if name in look.nodes]
    look.pods = {}
    is_closed = all(at.is_cordoned for name in there if (at := look.seen(name)))
    if is_closed and not run.keeps_pods:
        look.pods = {name: _pods(api, name) for name in there}
    return {one.name: look.seen(one.name) for one in run.at_hand}


def _send_back(api: Api, found: Object) -> None:
    """Ask for the way back from one that ends, before it does: nobody would think of it later."""
    back = cluster_upgrade.way_back(found, api.list("Node"))
    if back is None:
        return
    crash.before("send back", f"{KIND} {back['metadata']['name']}")
    try:
        api.create(back)
    except ApiError as error:
        if error.status != _EXISTS:
            raise


def _carried_out(api: Api, change: Change, run: Run, look: _Look) -> tuple[str, bool]:
    """Do something for a node; return what is to be said of it, and whether to look at once."""
    state = run.state_of(change.node)
    crash.before(change.verb, f"node {change.node}, {state.lower()}")
    try:
        if change.verb is Verb.EVICT:
            return _told(look.pods[change.node], lambda pod: told_to_end(api, pod)), False
        if change.verb is Verb.DELETE:
            return _told(look.pods[change.node], lambda pod: _deleted(api, pod)), False
        at = cluster_upgrade.seen(look.nodes[change.node])
        wanted = _wanted(change.verb, run, state, at)
        look.nodes[change.node] = api.merge("Node", change.node, wanted, manager=NAME)
    except ApiError as error:
        if error.status == 0:
            raise
        return error.message, False
    log.info("node %s: %s", change.node, change.verb)
    return "", True


def _wanted(verb: Verb, run: Run, state: State, at: SeenNode) -> Object:
    """Return the change of a Node that does something for it; what it is asked for is one thing."""
    match verb:
        case Verb.CORDON:
            return _noted({CORDONED_NOTE: run.name}) | {"spec": {"unschedulable": True}}
        case Verb.ASK if state is State.REBOOTING:
            return _noted({**_NOT_ASKED, REBOOT_NOTE: at.boot})
        case Verb.ASK if state is State.FETCHING:
            asked = {Errand.FETCH.note: run.ask, ORDER_NOTE: run.name}
            return _noted({**_NOT_ASKED, **asked})
        case Verb.ASK:
            return _noted({**_NOT_ASKED, _ERRANDS[state].note: run.ask})
        case Verb.WITHDRAW:
            return _noted(_NOT_ASKED)
        case _:
            return _let_go(at)


def _pods(api: Api, node: str) -> list[Object]:
    """Return the pods of a node that have to go."""
    found = api.list("Pod", fields={"spec.nodeName": node})
    return list(filter(cluster_upgrade.has_to_go, found))


def _told(pods: list[Object], tell: Callable[[Object], str]) -> str:
    """Have pods end that don't yet; return, in words, which are left and why."""
    why = {
        _full_name(pod): ENDING if "deletionTimestamp" in pod["metadata"] else tell(pod)
        for pod in pods
    }
    held = {name: words for name, words in why.items() if words != ENDING}
    if not held:
        return f"pods that are ending: {len(why)}"
    name, words = min(held.items())
    return f"{len(held)} of {len(why)} pods can't go; {name}: {words}"


def _deleted(api: Api, pod: Object) -> str:
    metadata = pod["metadata"]
    api.delete("Pod", metadata["name"], namespace=metadata["namespace"])
    return ENDING


def _let_go(at: SeenNode) -> Object:
    """Return the change that leaves nothing of ours on a Node; who else cordoned it, has it so."""
    notes = _noted({CORDONED_NOTE: None, **_NOT_ASKED})
    return notes | ({"spec": {"unschedulable": None}} if at.is_ours else {})


def _noted(notes: Mapping[str, str | None]) -> Object:
    return {"metadata": {"annotations": notes}}


def _events(before: Run, after: Run, message: str) -> Iterator[tuple[str, str, str]]:
    """Yield the reason, the words and the kind of what people should know of a step."""
    begun = {one.name for one in after.at_hand} - {one.name for one in before.at_hand}
    if begun:
        is_before = all(after.state_of(name) is State.FETCHING for name in begun)
        yield "FetchBegun" if is_before else "BatchBegun", ", ".join(sorted(begun)), "Normal"
    if after.phase is not before.phase and after.phase is not Phase.RUNNING:
        kind = "Warning" if after.phase in _WARNINGS else "Normal"
        yield after.phase.value, message, kind


def _full_name(pod: Object) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _now() -> datetime:
    return datetime.now(UTC)
