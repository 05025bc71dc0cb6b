"""Pods, and what makes them."""

import json
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

from kubeception.conditions import log_tail
from kubeception.conditions.condition import Condition
from kubeception.conditions.nodes import Nodes, absent
from kubeception.conditions.reading import condition_of
from kubeception.endpoints import BOOTSTRAP_PORT
from kubeception.host import door
from kubeception.render import controllers, coredns, kubelet
from kubeception.render.apiserver import DOOR_GATE
from kubeception.render.objects import CONTROL_PLANE, NAMESPACE
from kubeception.session import Session

# Of a Deployment's ReplicaSets and pods, by its controller.
_HASH, _REVISION = "pod-template-hash", "deployment.kubernetes.io/revision"
# Of a DaemonSet's ControllerRevisions and pods.
_DAEMON_HASH = "controller-revision-hash"

# How many pods have Deployments of ours that have more than one.
_REPLICAS = {
    coredns.NAME: coredns.REPLICAS,
    **{one.name: controllers.REPLICAS for one in controllers.BOTH},
}
# What DaemonSets of ours select nodes by.
_OUR_SELECTORS = {("kubernetes.io/os", "linux"), (CONTROL_PLANE, "")}


def pod_gone(name: str) -> Condition:
    """A static pod has ended and its mirror is gone."""

    def problem(session: Session) -> str | None:
        found = session.api.get("Pod", name, namespace=NAMESPACE)
        return None if found is None else f"pod {name} is still there"

    def last_words(session: Session) -> Sequence[str]:
        found = session.api.get("Pod", name, namespace=NAMESPACE)
        said = log_tail.of_pod(session, found) if found else ()
        return (*said, *log_tail.of_unit(session, kubelet.UNIT))

    return Condition(f"pod {name} to end", problem, hint="crictl pods", last_words=last_words)


def rolled_out(kind: str, name: str, *, here: str | None = None) -> Condition:
    """Every pod of a Deployment or DaemonSet is of its newest revision, and ready.

    What counts for one node, `here`, waits for no pod of another one that is away itself.
    """

    def problem(session: Session) -> str | None:
        found = session.api.get(kind, name, namespace=NAMESPACE)
        if found is None:
            return f"there is no {kind} {name}"
        if not _is_seen(found):
            return "its controller has not seen it yet"
        status = found.get("status", {})
        wanted, updated, ready, total = _counts(kind, found["spec"], status)
        if wanted == 0:
            return _why_none(kind, found)
        needed = wanted
        if here and min(ready, updated) < wanted:
            lost, newest = _out_of_reach(session, found, here)
            needed, updated = max(1, wanted - lost), updated - newest
        if ready >= needed and updated >= needed and total == wanted:
            return None
        return f"{ready} of {needed} ready" if ready < needed else "a rollout is on"

    def last_words(session: Session) -> Sequence[str]:
        found = session.api.get(kind, name, namespace=NAMESPACE)
        if found is None:
            return ()
        return log_tail.of_pods(session, found["spec"]["selector"]["matchLabels"])

    return Condition(
        f"{kind} {name} to be ready",
        problem,
        hint=f"kubectl -n {NAMESPACE} describe {kind.lower()} {name}",
        last_words=last_words,
    )


def on_every_node(name: str, labels: dict[str, str], ready: Nodes) -> Condition:
    """A DaemonSet of ours has a pod on every node that is Ready."""

    def problem(session: Session) -> str | None:
        nodes = {node["metadata"]["name"] for node in ready(session)}
        found = session.api.get("DaemonSet", name, namespace=NAMESPACE)
        if found is None or found.get("status", {}).get("desiredNumberScheduled", 0) >= len(nodes):
            return None  # that it is not there, or not ready, others say
        pods = session.api.list("Pod", namespace=NAMESPACE, labels=labels)
        without = nodes - {pod["spec"].get("nodeName") for pod in pods}
        why = _narrowed(found) or "it fits no such node"
        return f"none on {', '.join(sorted(without))}: {why}" if without else None

    return Condition(
        f"{name} to be on every node",
        problem,
        hint=f"kubectl -n {NAMESPACE} describe daemonset {name}",
    )


def _why_none(kind: str, found: dict[str, Any]) -> str:
    """Say why no pod of a workload is wanted."""
    if kind == "Deployment":
        name = found["metadata"]["name"]
        count = _REPLICAS.get(name, 1)
        command = f"kubectl -n {NAMESPACE} scale deployment {name} --replicas {count}"
        return f"it is scaled to none ({command})"
    why = _narrowed(found)
    return f"it fits no node{f': {why}' if why else ''}"


def _narrowed(found: dict[str, Any]) -> str | None:
    """Say that somebody's node selector leaves nodes out, with what takes it away."""
    given: dict[str, str] = found["spec"]["template"]["spec"].get("nodeSelector") or {}
    theirs = dict(sorted(given.items() - _OUR_SELECTORS))
    if not theirs:
        return None
    words = ", ".join(f"{key}={value}" for key, value in theirs.items())
    patch = {"spec": {"template": {"spec": {"nodeSelector": dict.fromkeys(theirs)}}}}
    daemonset = f"daemonset {found['metadata']['name']}"
    command = f"kubectl -n {NAMESPACE} patch {daemonset} --type merge -p '{json.dumps(patch)}'"
    return f"somebody gave it the node selector {words} ({command})"


def _out_of_reach(session: Session, found: dict[str, Any], here: str) -> tuple[int, int]:
    """Count a workload's pods on nodes that are away, and those of its newest revision among them.

    One that is to end stays until its node is back. A Deployment has made another one instead; of a
    DaemonSet, which makes none there before, it is the one that counts.
    """
    if not (away := absent(session, here=here)):
        return 0, 0
    labels = found["spec"]["selector"]["matchLabels"]
    pods = session.api.list("Pod", namespace=NAMESPACE, labels=labels)
    if found["kind"] == "Deployment":
        lost = [pod for pod in pods if is_bound(pod, away)]
        newest = _newest_hash(session, labels)
        return len(lost), len(_with(lost, _HASH, newest))
    lost = [pod for pod in pods if pod["spec"].get("nodeName") in away]
    newest = _newest_daemon_hash(session, labels)
    # One for each node: beside one that has ended there may be the next.
    return len(_nodes_of(lost)), len(_nodes_of(_with(lost, _DAEMON_HASH, newest)))


def _with(pods: Sequence[dict[str, Any]], label: str, value: str | None) -> list[dict[str, Any]]:
    return [pod for pod in pods if value and pod["metadata"]["labels"].get(label) == value]


def _nodes_of(pods: Sequence[dict[str, Any]]) -> set[str]:
    return {pod["spec"]["nodeName"] for pod in pods}


def namespace_there() -> Condition:
    """The API server has made its namespaces, which it does some moments after it is ready."""

    def problem(session: Session) -> str | None:
        found = session.api.get("Namespace", NAMESPACE)
        return None if found else f"there is no namespace {NAMESPACE}"

    def last_words(session: Session) -> Sequence[str]:
        found = door.read()
        return log_tail.of_apiserver(session, found.inside if found else BOOTSTRAP_PORT)

    return Condition(
        f"namespace {NAMESPACE}", problem, hint="kubectl get namespaces", last_words=last_words
    )


def pods_run(
    labels: dict[str, str],
    *,
    on: Collection[str],
    at_least: int = 1,
    newest_of: str | None = None,
) -> Condition:
    """Pods with these labels have all their containers ready, on some nodes.

    Any kubelet may say so of pods on its own node, whatever these are. Of a Deployment that is
    named, those of its newest revision count alone.
    """
    name = ",".join(labels.values())

    def problem(session: Session) -> str | None:
        pods = session.api.list("Pod", namespace=NAMESPACE, labels=labels)
        if newest_of:
            found = session.api.get("Deployment", newest_of, namespace=NAMESPACE)
            if found is None or not _is_seen(found):
                return f"the controller of Deployment {newest_of} has not seen it yet"
            newest = _newest_hash(session, labels)
            pods = [pod for pod in pods if pod["metadata"]["labels"].get(_HASH) == newest]
        ready = sum(is_bound(pod, on) and condition_of(pod, "ContainersReady") for pod in pods)
        return None if ready >= at_least else f"{ready} of {at_least} pods run"

    return Condition(
        f"{name} to run",
        problem,
        hint=f"kubectl -n {NAMESPACE} get pods",
        last_words=partial(log_tail.of_pods, labels=labels, on=on),
    )


def _is_seen(found: dict[str, Any]) -> bool:
    """Tell whether its controller has seen a Deployment or DaemonSet as it is now."""
    seen: int = found.get("status", {}).get("observedGeneration", 0)
    return seen >= int(found["metadata"]["generation"])


def _newest_hash(session: Session, labels: dict[str, str]) -> str | None:
    """Return what the pods of a Deployment's newest revision are labelled with."""
    sets = session.api.list("ReplicaSet", namespace=NAMESPACE, labels=labels)
    newest = max(sets, key=lambda one: int(one["metadata"]["annotations"][_REVISION]), default=None)
    return newest["metadata"]["labels"][_HASH] if newest else None


def _newest_daemon_hash(session: Session, labels: dict[str, str]) -> str | None:
    """Return the same of a DaemonSet's."""
    found = session.api.list("ControllerRevision", namespace=NAMESPACE, labels=labels)
    newest = max(found, key=lambda one: int(one["revision"]), default=None)
    return newest["metadata"]["labels"][_DAEMON_HASH] if newest else None


def pod_serves(pod: dict[str, Any]) -> bool:
    """Whether a pod of the hosted API server says that it serves.

    Until its door leads to it one has its containers ready and no more; afterwards Ready counts,
    which is taken from the pods of a node that is not heard of.
    """
    is_ready = condition_of(pod, "ContainersReady") and "deletionTimestamp" not in pod["metadata"]
    return is_ready and (condition_of(pod, "Ready") or not condition_of(pod, DOOR_GATE))


def _counts(
    kind: str, spec: dict[str, object], status: dict[str, int]
) -> tuple[int, int, int, int]:
    """Return how many pods are wanted, of the newest revision, ready, and there at all."""
    if kind == "DaemonSet":
        return (
            status.get("desiredNumberScheduled", 0),
            status.get("updatedNumberScheduled", 0),
            status.get("numberReady", 0),
            status.get("currentNumberScheduled", 0),
        )
    replicas = spec["replicas"]
    wanted = replicas if isinstance(replicas, int) else 0
    return (
        wanted,
        status.get("updatedReplicas", 0),
        status.get("readyReplicas", 0),
        status.get("replicas", 0),
    )


def is_bound(pod: dict[str, Any], on: Collection[str]) -> bool:
    """Tell whether a pod is bound to one of some nodes, and not on its way out."""
    return pod["spec"].get("nodeName") in on and "deletionTimestamp" not in pod["metadata"]
