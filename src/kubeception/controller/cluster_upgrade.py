"""A ClusterUpgrade and Nodes, as the rules about batches have them, and back."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from kubeception import timestamp
from kubeception.conditions import upgrades
from kubeception.conditions.nodes import network_problem, pressures
from kubeception.conditions.reading import condition_of, conditions_of, kubelet_version, time
from kubeception.controller.batches import NodeProgress, Run, SeenNode, State
from kubeception.kube.client import Object
from kubeception.kube.eviction import is_movable
from kubeception.render import objects, window
from kubeception.render.cluster_upgrade import (
    BUNDLES_NOTE,
    CORDONED_NOTE,
    NEEDED_NOTE,
    REBOOT_NOTE,
    Errand,
    Phase,
    Step,
)
from kubeception.versions import numbers

_STATES = {
    Step.REBOOT: State.REBOOTING,
    Step.BINARIES: State.UPGRADING,
    Step.COMMAND: State.RUNNING,
}
_ENDED = frozenset({"Succeeded", "Failed"})
_FEW = 3
# So much of a uid tells two of one name apart.
_TELLING = 8
_LONGEST_NAME = 253


def of(found: Object) -> Run:
    """Read what was asked for, and how far it is."""
    spec, status = found["spec"], found.get("status") or {}
    drain = spec["drain"]
    return Run(
        name=found["metadata"]["name"],
        nodes=tuple(map(_progress, status.get("nodes") or [])),
        phase=upgrades.phase(found),
        batch=spec["batch"],
        identity=found["metadata"].get("uid", ""),
        steps=tuple(_STATES[step] for step in spec["steps"]),
        release=spec.get("version", ""),
        command=spec.get("command", ""),
        previous=spec.get("previous", ""),
        has_source="source" in spec,
        drain=timedelta(seconds=drain["timeoutSeconds"]),
        keeps_pods=drain.get("pods") == "keep",
        is_forced=drain["onBlocked"] == "force",
        step=timedelta(seconds=spec["stepTimeoutSeconds"]),
        skips_offline=spec["offline"] == "skip",
        window=window.of(spec["window"]) if "window" in spec else None,
        canary=spec.get("canary", {}).get("node", ""),
        proves=timedelta(seconds=spec.get("canary", {}).get("forSeconds", 0)),
        is_paused=spec.get("paused", False),
        is_aborted=spec.get("aborted", False),
    )


def message(found: Object) -> str:
    """Return what the controller says of it."""
    said: str = (found.get("status") or {}).get("message") or ""
    return said


def in_turn(
    nodes: list[Object], wanted: list[str] | None, *, release: str = "", canary: str = ""
) -> tuple[NodeProgress, ...]:
    """Return the nodes in the order of their turns; None means all there are.

    To reboot workers go first, and to an earlier `release`. To a later one they go last: a kubelet
    is never newer than its API server (https://kubernetes.io/releases/version-skew-policy/).
    A `canary` is the first of workers, and in its turn whether or not there is such a node.
    """
    planes = [one for one in nodes if objects.CONTROL_PLANE in _labels(one)]
    is_earlier = any(numbers(kubelet_version(one)) > numbers(release) for one in planes)
    is_later = bool(release) and not is_earlier
    first = {_name(one) for one in nodes if (one in planes) is is_later}
    names = {*(map(_name, nodes) if wanted is None else wanted), *filter(None, [canary])}
    turns = sorted(names, key=lambda one: (one not in first, one != canary, one))
    return tuple(map(NodeProgress, turns))


def seen(node: Object, pods: tuple[str, ...] | None = None) -> SeenNode:
    """Read a Node."""
    notes = node["metadata"].get("annotations") or {}
    of_a_batch = (Errand.RELEASE, Errand.COMMAND)
    asked = (notes.get(note) for note in (REBOOT_NOTE, *(errand.note for errand in of_a_batch)))
    is_cordoned = node.get("spec", {}).get("unschedulable", False)
    return SeenNode(
        boot=node.get("status", {}).get("nodeInfo", {}).get("bootID", ""),
        is_ready=condition_of(node, "Ready"),
        network_problem=network_problem(node) or "",
        pressures=pressures(node),
        is_control_plane=objects.CONTROL_PLANE in _labels(node),
        is_cordoned=is_cordoned,
        is_ours=is_cordoned and CORDONED_NOTE in notes,
        asked=next(filter(None, asked), ""),
        bundles=tuple(notes.get(BUNDLES_NOTE, "").split()),
        answers=tuple(notes[errand.answer] for errand in of_a_batch if errand.answer in notes),
        fetches=notes.get(Errand.FETCH.note, ""),
        fetched=notes.get(Errand.FETCH.answer, ""),
        pods=pods,
    )


def needs_reboot(node: Object) -> bool:
    """Tell whether a Node's host itself wants the boot to end that the Node names."""
    needed = (node["metadata"].get("annotations") or {}).get(NEEDED_NOTE)
    return bool(needed) and needed == seen(node).boot


def has_to_go(pod: Object) -> bool:
    """Tell whether a pod ends before its host goes down.

    Not one that has come to its end; and none of ours that only control-plane hosts may run, by
    their names: who empties the node is one of these, and they come back with their host.
    """
    has_ended = pod.get("status", {}).get("phase") in _ENDED
    return is_movable(pod) and not has_ended and not _is_bound_by_name(pod)


def has_gone(node: NodeProgress) -> bool:
    """Tell whether a node's host was asked to go to a release, and may run it."""
    return node.state is State.DONE or (node.state is State.FAILED and bool(node.boot))


def way_back(found: Object, nodes: Iterable[Object]) -> Object | None:
    """Return the one that takes back whoever has gone to a release; None where nobody has.

    Its name says which one it ends, so however often it is made, there is one.
    """
    spec, run = found["spec"], of(found)
    asked = {one.name for one in run.nodes if has_gone(one)}
    gone = [
        _name(one)
        for one in nodes
        if _name(one) in asked or seen(one).bundles[:1] == (spec.get("version"),)
    ]
    if not gone or "previous" not in spec:
        return None
    kept = {key: spec[key] for key in ("batch", "steps", "stepTimeoutSeconds", "drain", "offline")}
    return {
        **{key: found[key] for key in ("apiVersion", "kind")},
        "metadata": {"generateName": "upgrade-", "name": _name_of_way_back(run)},
        "spec": {"nodes": sorted(gone), "version": spec["previous"], **kept},
    }


def is_way_back(found: Object, every: Iterable[Object]) -> bool:
    """Tell whether one takes hosts back from another that is there."""
    return any(_name_of_way_back(of(one)) == _name(found) for one in every)


def _name_of_way_back(run: Run) -> str:
    """Return what the one is called by which another is gone back from, and no former of its name.

    A name may be used again once its object is gone, and what went back from that one is still
    there.
    """
    end = f"-back-{run.identity[:_TELLING]}"
    return f"{run.name[: _LONGEST_NAME - len(end)]}{end}"


def status_of(run: Run, found: Object, now: datetime) -> Object:
    """Return the status that tells how far it is."""
    said = _said(run, now)
    return {
        "phase": run.phase.value,
        "message": said,
        "done": f"{sum(one.state is State.DONE for one in run.nodes)}/{len(run.nodes)}",
        "nodes": list(map(_told, run.nodes)),
        "conditions": list(_conditions(run.phase, run.phase.value, said, found, now)),
    }


def waiting_for(other: str, found: Object, now: datetime) -> Object:
    """Return the status of one whose turn has not come."""
    said = f"waits for {other}"
    conditions = _conditions(Phase.PENDING, Phase.PENDING.value, said, found, now)
    return {"phase": Phase.PENDING.value, "message": said, "conditions": list(conditions)}


def words(node: NodeProgress) -> str:
    """Return what a node is at, for people."""
    return f"{node.state.lower()}: {node.message}" if node.message else node.state.lower()


def _said(run: Run, now: datetime) -> str:
    if run.phase is Phase.FAILED:
        failed = [one for one in run.nodes if one.state is State.FAILED]
        return f"stopped after the first batch that failed: {_listed(failed)}"
    if run.phase is Phase.RUNNING:
        later = ", then ends" if run.is_aborted else ", then pauses" if run.is_paused else ""
        return _listed(run.at_hand) + later
    if run.phase is Phase.PENDING and run.window:
        return run.window.next_words(now)
    if run.phase is Phase.PAUSED:
        return "paused before the next batch"
    if run.phase is Phase.ABORTED:
        has_way_back = run.previous and any(map(has_gone, run.nodes))
        by = f", and who went on goes back by {_name_of_way_back(run)}" if has_way_back else ""
        return f"aborted; what was not told to go on is as before{by}"
    skipped = [one for one in run.nodes if one.state is State.SKIPPED]
    if skipped:
        return f"passed over: {_listed(skipped)}"
    if run.release:
        return f"all nodes run {run.release}"
    done = {State.RUNNING: f"run {run.command}", State.REBOOTING: "rebooted"}
    return f"all nodes have {' and '.join(done[state] for state in run.steps)}"


def _listed(nodes: list[NodeProgress] | tuple[NodeProgress, ...]) -> str:
    few = [f"{one.name} {words(one)}" for one in nodes[:_FEW]]
    more = [f"{len(nodes) - _FEW} more"] if len(nodes) > _FEW else []
    return "; ".join(few + more)


def _conditions(
    phase: Phase, reason: str, said: str, found: Object, now: datetime
) -> Iterator[Object]:
    before = {one["type"]: one for one in conditions_of(found)}
    is_over = {Phase.SUCCEEDED: "True", Phase.FAILED: "False", Phase.ABORTED: "False"}
    values = {
        "Progressing": str(phase is Phase.RUNNING),
        "Succeeded": is_over.get(phase, "Unknown"),
    }
    for kind, value in values.items():
        old = before.get(kind)
        is_same = old is not None and old["status"] == value
        yield {
            "type": kind,
            "status": value,
            "reason": reason,
            "message": said,
            "lastTransitionTime": old["lastTransitionTime"]
            if old and is_same
            else timestamp.text(now),
        }


def _progress(found: Object) -> NodeProgress:
    return NodeProgress(
        found["name"],
        State(found["state"]),
        message=found.get("message", ""),
        boot=found.get("bootID", ""),
        since=time(found["since"]) if found.get("since") else None,
    )


def _told(node: NodeProgress) -> Object:
    more = {"message": node.message, "bootID": node.boot}
    since = {"since": timestamp.text(node.since)} if node.since else {}
    given = {key: value for key, value in more.items() if value}
    return {"name": node.name, "state": node.state.value, **given, **since}


def _is_bound_by_name(pod: Object) -> bool:
    metadata = pod["metadata"]
    is_ours = objects.MANAGED_BY.items() <= _labels(pod).items()
    affinity = pod["spec"].get("affinity", {}).get("nodeAffinity", {})
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {})
    terms = required.get("nodeSelectorTerms", [])
    by_name = bool(terms) and all("matchFields" in one for one in terms)
    return is_ours and by_name and metadata["namespace"] == objects.NAMESPACE


def _labels(found: Object) -> Object:
    labels: Object = found["metadata"].get("labels") or {}
    return labels


def _name(found: Object) -> str:
    name: str = found["metadata"]["name"]
    return name
