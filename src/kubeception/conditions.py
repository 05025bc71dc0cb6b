"""What "ready" means, each named once; phases, `status` and tests wait on the same ones."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from kubeception import evidence, timestamp
from kubeception.endpoints import API_PORT, BOOTSTRAP_PORT
from kubeception.errors import Hopeless, KubeceptionError, WaitTimeout
from kubeception.host import door
from kubeception.kube import health
from kubeception.reach import Reach
from kubeception.render import etcd, kubelet
from kubeception.render.objects import CONTROL_PLANE, NAMESPACE

LEASES = ("kube-controller-manager", "kube-scheduler")
INTERVAL_S = 0.2
# What has crashed that often will go on.
CRASHES = 3


def _silence(_reach: Reach) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class Condition:
    """Something to wait for: `what` completes "waiting for …", `problem` says why it isn't so yet.

    `successes` are wanted in a row, one every `INTERVAL_S`; a failure starts the count again.
    One that is not `required` is given its time, and then the work goes on without it. What it
    waited for in vain says why by its `last_words`.
    """

    what: str
    problem: Callable[[Reach], str | None]
    timeout_s: float = 120.0
    successes: int = 1
    hint: str | None = None
    required: bool = True
    last_words: Callable[[Reach], Sequence[str]] = _silence


def wait_for(condition: Condition, reach: Reach, note: Callable[[str], None]) -> None:
    """Wait until a condition holds; `note` hears what is in the way.

    Raises:
        WaitTimeout: it did not hold in time.
        Hopeless: it never will.
    """
    clock = reach.host.clock
    deadline = clock.monotonic() + condition.timeout_s
    in_a_row = 0
    while True:
        problem = _problem(condition, reach)
        in_a_row = 0 if problem else in_a_row + 1
        if in_a_row >= condition.successes:
            return
        note(problem or f"{in_a_row} of {condition.successes} in a row")
        if clock.monotonic() > deadline:
            if not condition.required:
                return
            last = problem or f"only {in_a_row} of {condition.successes} in a row"
            last_words = condition.last_words(reach)
            raise WaitTimeout(condition.what, last, hint=condition.hint, last_words=last_words)
        clock.sleep(INTERVAL_S)


def _problem(condition: Condition, reach: Reach) -> str | None:
    try:
        return condition.problem(reach)
    except Hopeless as error:
        last_words = condition.last_words(reach)
        raise Hopeless(error.message, hint=condition.hint, last_words=last_words) from error
    except KubeceptionError as error:
        return error.message


def current_problem(condition: Condition, reach: Reach) -> str | None:
    """Return why a condition does not hold just now, or None."""
    try:
        return condition.problem(reach)
    except KubeceptionError as error:
        return error.message


def all_of(what: str, parts: Sequence[Condition], *, timeout_s: float) -> Condition:
    """Several conditions at once; every one that does not hold yet is named."""

    def problem(reach: Reach) -> str | None:
        late = [(part, current_problem(part, reach)) for part in parts]
        return "; ".join(f"{part.what}: {why}" for part, why in late if why) or None

    def last_words(reach: Reach) -> list[str]:
        late = [part for part in parts if current_problem(part, reach)]
        return [words for part in late for words in part.last_words(reach)]

    hint = "kubeception status"
    return Condition(what, problem, timeout_s=timeout_s, hint=hint, last_words=last_words)


def etcd_serves() -> Condition:
    """The local etcd member answers a linearizable read."""
    return Condition(
        "etcd to serve",
        lambda reach: reach.etcd.problem(),
        hint=f"journalctl -u {etcd.UNIT} -n 50",
        last_words=partial(evidence.of_unit, unit=etcd.UNIT),
    )


def unit_active(unit: str) -> Condition:
    """A systemd unit runs."""

    def problem(reach: Reach) -> str | None:
        state = reach.host.systemd.state(unit)
        return None if state.active == "active" else f"{unit} is {state.active}"

    return Condition(
        f"{unit} to run",
        problem,
        hint=f"journalctl -u {unit} -n 50",
        last_words=partial(evidence.of_unit, unit=unit),
    )


def apiserver_ready(port: int, *, successes: int = 1) -> Condition:
    """The API server on a port of its own answers 200 on /readyz, by our CA."""
    which = "the bootstrap API server" if port == BOOTSTRAP_PORT else "the hosted API server"
    return Condition(
        f"{which} on port {port}",
        lambda reach: health.not_ready(port, reach.layout.pki.ca.certificate),
        successes=successes,
        hint=f"crictl ps -a --name kube-apiserver; curl -k https://127.0.0.1:{port}/readyz?verbose",
        last_words=partial(evidence.of_apiserver, port=port),
    )


def unless_it_crashes(condition: Condition, labels: dict[str, str]) -> Condition:
    """The same, given up where a pod with these labels starts again and again."""

    def problem(reach: Reach) -> str | None:
        why = condition.problem(reach)
        if why is None:
            return None
        for pod in reach.api.list("Pod", namespace=NAMESPACE, labels=labels):
            for container in pod.get("status", {}).get("containerStatuses", []):
                reason = container["state"].get("waiting", {}).get("reason")
                name, times = pod["metadata"]["name"], container["restartCount"]
                if reason == "CrashLoopBackOff" and times >= CRASHES:
                    raise Hopeless(f"{name} has restarted {times} times: {why}")
        return why

    return replace(condition, problem=problem)


def door_leads_to(port: int) -> Condition:
    """The door points at a port, and what is behind it answers."""

    def problem(reach: Reach) -> str | None:
        found = door.read()
        if found is None:
            return "there is no door"
        if found.inside != port:
            return f"it points at {found.inside or 'nothing'}"
        return health.not_ready(API_PORT, reach.layout.pki.ca.certificate)

    return Condition(f"the door to lead to port {port}", problem, hint="kubeception bootstrap")


def node_registered(node: str) -> Condition:
    """The node was made or renewed by the kubelet that runs now, or is a control-plane one already.

    Its Lease alone would cost seconds: a kubelet that started before the API tries it again late.
    """

    def problem(reach: Reach) -> str | None:
        found = reach.api.get("Node", node)
        if found is None:
            return f"there is no Node {node}"
        if CONTROL_PLANE in found["metadata"].get("labels", {}):
            return None
        signs = [found["metadata"]["creationTimestamp"]]
        signs += [c["lastHeartbeatTime"] for c in _conditions(found) if "lastHeartbeatTime" in c]
        if lease := reach.api.get("Lease", node, namespace="kube-node-lease"):
            signs.append(lease["spec"]["renewTime"])
        # Most of these times are whole seconds.
        started = int(reach.host.systemd.state(kubelet.UNIT).started_s)
        if max(_time(sign).timestamp() for sign in signs) >= started:
            return None
        return "nothing of it is newer than the kubelet"

    return Condition(
        f"node {node} to register",
        problem,
        hint=f"journalctl -u {kubelet.UNIT} -n 50",
        last_words=partial(evidence.of_unit, unit=kubelet.UNIT),
    )


def node_ready(node: str) -> Condition:
    """The node says that it is Ready."""

    def problem(reach: Reach) -> str | None:
        found = reach.api.get("Node", node)
        if found is None:
            return f"there is no Node {node}"
        for condition in found.get("status", {}).get("conditions", []):
            if condition["type"] == "Ready":
                words = condition.get("message", condition["status"])
                return None if condition["status"] == "True" else str(words)
        return "it has not said anything yet"

    return Condition(
        f"node {node} to be Ready",
        problem,
        hint="kubectl describe nodes",
        last_words=partial(evidence.of_unit, unit=kubelet.UNIT),
    )


def node_ready_anew(node: str) -> Condition:
    """The node is Ready by the word of the kubelet that runs now, not of one before it."""
    ready = node_ready(node)

    def problem(reach: Reach) -> str | None:
        if why := ready.problem(reach):
            return why
        found = reach.api.get("Node", node) or {}
        said = [c["lastHeartbeatTime"] for c in _conditions(found) if c["type"] == "Ready"]
        # The API keeps whole seconds.
        started = int(reach.host.systemd.state(kubelet.UNIT).started_s)
        is_new = any(_time(moment).timestamp() >= started for moment in said)
        return None if is_new else "it was Ready before the kubelet started, and has not said more"

    hint = f"journalctl -u {kubelet.UNIT} -n 50"
    return replace(ready, problem=problem, hint=hint)


def lease_held(lease: str, *, timeout_s: float = 120.0) -> Condition:
    """Somebody leads: the Lease has a holder who renewed it within its duration."""

    def problem(reach: Reach) -> str | None:
        found = reach.api.get("Lease", lease, namespace=NAMESPACE)
        if found is None or not found["spec"].get("holderIdentity"):
            return "nobody holds it"
        renewed = _time(found["spec"]["renewTime"])
        age = (reach.host.clock.now() - renewed).total_seconds()
        limit = found["spec"]["leaseDurationSeconds"]
        # The time and not the age: the same problem reads the same when it is looked at again.
        return None if age <= limit else f"its holder was last heard at {timestamp.text(renewed)}"

    return Condition(
        f"Lease {lease} to be held",
        problem,
        timeout_s=timeout_s,
        hint=f"kubectl -n {NAMESPACE} get lease",
    )


def dead_holder(reach: Reach, lease: str) -> str | None:
    """Say why a Lease's holder is dead, or None; only a host that is alone may ask.

    Its holder had this host's clock, so it has given up by the time that the Lease has run out.
    """
    found = reach.api.get("Lease", lease, namespace=NAMESPACE)
    if found is None or not found["spec"].get("holderIdentity"):
        return None
    renewed = _time(found["spec"]["renewTime"])
    if renewed.timestamp() < reach.host.systemd.booted_s():
        return "its holder died with the host"
    age_s = (reach.host.clock.now() - renewed).total_seconds()
    has_run_out = age_s > found["spec"]["leaseDurationSeconds"]
    return "its holder gave up" if has_run_out else None


def somebody_leads(lease: str, labels: dict[str, str], *, timeout_s: float) -> Condition:
    """A Lease is held, or there is no pod with these labels that runs here or soon will."""
    held = lease_held(lease, timeout_s=timeout_s)

    def problem(reach: Reach) -> str | None:
        why = held.problem(reach)
        if why is None:
            return None
        pods = reach.api.list("Pod", namespace=NAMESPACE, labels=labels)
        return why if any(map(_is_bound, pods)) else None

    return replace(held, problem=problem, required=False)


def pod_gone(name: str) -> Condition:
    """A static pod has ended and its mirror is gone."""

    def problem(reach: Reach) -> str | None:
        found = reach.api.get("Pod", name, namespace=NAMESPACE)
        return None if found is None else f"pod {name} is still there"

    return Condition(f"pod {name} to end", problem, hint="crictl pods")


def rolled_out(kind: str, name: str) -> Condition:
    """Every pod of a Deployment or DaemonSet is of its newest revision, and ready."""

    def problem(reach: Reach) -> str | None:
        found = reach.api.get(kind, name, namespace=NAMESPACE)
        if found is None:
            return f"there is no {kind} {name}"
        status = found.get("status", {})
        if status.get("observedGeneration", 0) < found["metadata"]["generation"]:
            return "its controller has not seen it yet"
        wanted, updated, ready, total = _counts(kind, found["spec"], status)
        if ready >= wanted and updated >= wanted and total == wanted and wanted > 0:
            return None
        return f"{ready} of {wanted} ready" if ready < wanted else "a rollout is on"

    return Condition(
        f"{kind} {name} to be ready",
        problem,
        hint=f"kubectl -n {NAMESPACE} describe {kind.lower()} {name}",
    )


def namespace_there() -> Condition:
    """The API server has made its namespaces, which it does some moments after it is ready."""

    def problem(reach: Reach) -> str | None:
        found = reach.api.get("Namespace", NAMESPACE)
        return None if found else f"there is no namespace {NAMESPACE}"

    return Condition(f"namespace {NAMESPACE}", problem)


def pods_run(labels: dict[str, str], *, at_least: int = 1) -> Condition:
    """Pods with these labels have all their containers ready."""
    name = ",".join(labels.values())

    def problem(reach: Reach) -> str | None:
        pods = reach.api.list("Pod", namespace=NAMESPACE, labels=labels)
        ready = sum(_condition(pod, "ContainersReady") for pod in pods)
        return None if ready >= at_least else f"{ready} of {at_least} pods run"

    return Condition(f"{name} to run", problem, hint=f"kubectl -n {NAMESPACE} get pods")


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


def _is_bound(pod: dict[str, Any]) -> bool:
    return bool(pod["spec"].get("nodeName")) and "deletionTimestamp" not in pod["metadata"]


def _condition(found: dict[str, object], kind: str) -> bool:
    return any(c["type"] == kind and c["status"] == "True" for c in _conditions(found))


def _conditions(found: dict[str, object]) -> Iterator[dict[str, str]]:
    status = found.get("status")
    if isinstance(status, dict):
        yield from status.get("conditions", [])


def _time(text: str) -> datetime:
    """Read the API's time; Python 3.11 takes both of its precisions."""
    return datetime.fromisoformat(text)
