"""Conditions and marks that read the cluster, with a real controller-manager at work beside."""

import itertools
import json
import re
import shlex
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from tests.api.rig import Rig
from tests.fixed import CLUSTER, CONFIG, on_host

from kubeception import conditions
from kubeception.conditions import Condition, current_problem, unless_nobody_serves, wait_for
from kubeception.conditions.reading import condition_of
from kubeception.errors import Hopeless, WaitTimeout
from kubeception.facts import Hosted, Proven
from kubeception.phases.handover import hosted_is_stable
from kubeception.render import apiserver
from kubeception.render.controllers import CONTROLLER_MANAGER
from kubeception.render.objects import CONTROL_PLANE, HOSTNAME, TOLERATE_EVERYTHING, node_daemonset
from kubeception.resources.door_gate import DoorGate
from kubeception.resources.node import LABELS, ControlPlaneNode, made_again
from kubeception.resources.node_daemonset import NodeDaemonSet
from kubeception.session import Session

SYSTEM = "kube-system"


def node(name: str, **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
    }


def pod(name: str, on: str, *, port: int) -> dict[str, Any]:
    """Return an API server's pod as the DaemonSet makes it, bound to a node."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": SYSTEM,
            "labels": apiserver.LABELS,
            "annotations": {apiserver.PORT_NOTE: str(port)},
        },
        "spec": {
            "nodeName": on,
            "readinessGates": [{"conditionType": apiserver.DOOR_GATE}],
            "automountServiceAccountToken": False,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "it", "image": "localhost/none"}],
        },
    }


def workload(
    kind: str, name: str, *, pods: dict[str, Any] | None = None, replicas: int = 2
) -> dict[str, Any]:
    """Return a Deployment or DaemonSet of kube-system; its pods are labelled with its name."""
    labels = {"app": name}
    containers = [{"name": "it", "image": "localhost/none"}]
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": SYSTEM},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {**(pods or {}), "containers": containers},
            },
            **({"replicas": replicas} if kind == "Deployment" else {}),
        },
    }


def say(session: Session, kind: str, name: str, **status: str) -> None:
    """Set conditions of an object's status."""
    namespace = SYSTEM if kind == "Pod" else None
    found = [{"type": type_, "status": value} for type_, value in status.items()]
    change = {"status": {"conditions": found}}
    session.api.merge(kind, name, change, namespace=namespace, status=True)


def pods_of(session: Session, labels: dict[str, str]) -> list[dict[str, Any]]:
    return session.api.list("Pod", namespace=SYSTEM, labels=labels)


def lease(name: str, *, renewed: datetime | None) -> dict[str, Any]:
    spec: dict[str, Any] = {"leaseDurationSeconds": 15}
    if renewed:
        spec |= {"holderIdentity": "me", "renewTime": f"{renewed:%Y-%m-%dT%H:%M:%S.%fZ}"}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": SYSTEM},
        "spec": spec,
    }


def test_the_running_controller_manager_holds_its_lease(session: Session) -> None:
    wait_for(conditions.lease_held("kube-controller-manager"), session, lambda _: None)


def test_a_lease_without_a_living_holder_is_not_held(session: Session) -> None:
    now = datetime.now(UTC)
    found = []
    for renewed in (None, now - timedelta(seconds=60), now - timedelta(days=2), now):
        session.api.apply(lease("tried", renewed=renewed), force=True)
        found.append(current_problem(conditions.lease_held("tried"), session))
        session.api.delete("Lease", "tried", namespace=SYSTEM)

    assert current_problem(conditions.lease_held("tried"), session) == "nobody holds it"
    assert found[0] == "nobody holds it"
    for age, problem in ((timedelta(seconds=60), found[1]), (timedelta(days=2), found[2])):
        assert problem == f"its holder was last heard at {now - age:%Y-%m-%dT%H:%M:%SZ}"
    assert found[3] is None


def test_a_node_is_ready_when_it_says_so(session: Session) -> None:
    ready = conditions.node_ready("asked")
    assert current_problem(ready, session) == "there is no Node asked"

    session.api.apply(node("asked"))
    assert current_problem(ready, session) == "it has not said anything yet"
    say(session, "Node", "asked", Ready="False")
    assert current_problem(ready, session) == "False"
    say(session, "Node", "asked", Ready="True")
    assert current_problem(ready, session) is None
    session.api.delete("Node", "asked")


@pytest.mark.parametrize(("name", "replicas"), [("coredns", 2), ("kubeception-join", 1)])
def test_a_deployment_that_somebody_scaled_to_none_says_so(
    rig: Rig, session: Session, name: str, replicas: int
) -> None:
    session.api.apply(workload("Deployment", name, replicas=0))
    found = conditions.rolled_out("Deployment", name)
    command = f"kubectl -n {SYSTEM} scale deployment {name} --replicas {replicas}"
    rig.until(
        "its word",
        lambda: current_problem(found, session) == f"it is scaled to none ({command})",
    )

    session.api.delete("Deployment", name, namespace=SYSTEM)


@pytest.mark.timeout(240)
def test_a_daemonset_whose_node_selector_is_somebodys_says_so_with_what_mends_it(
    rig: Rig, session: Session
) -> None:
    labels, ours = {"app": "narrowed"}, {"kubernetes.io/os": "linux"}
    nodes = [node(name, **ours, **{"kubernetes.io/hostname": name}) for name in ("one", "two")]
    # Without a kubelet one with no grace is gone at once, and nobody calls its node ready.
    pods = {
        "nodeSelector": ours,
        "terminationGracePeriodSeconds": 0,
        "tolerations": [{"operator": "Exists"}],
    }
    for one in nodes:
        session.api.apply(one)
    session.api.apply(workload("DaemonSet", "narrowed", pods=pods))
    everywhere = conditions.on_every_node("narrowed", labels, lambda _: nodes)
    rolled_out = conditions.rolled_out("DaemonSet", "narrowed")
    rig.until("both", lambda: current_problem(rolled_out, session) == "0 of 2 ready")
    assert current_problem(everywhere, session) is None

    for selector, left, said in (
        # Without a scheduler none is bound, also on the one that is left.
        ("kubernetes.io/hostname=one", everywhere, "none on one, two: "),
        ("x=y", rolled_out, "it fits no node: "),
    ):
        key, _, value = selector.partition("=")
        template = {"spec": {"nodeSelector": {key: value}}}
        change = {"spec": {"template": template}}
        session.api.merge("DaemonSet", "narrowed", change, namespace=SYSTEM, manager="somebody")
        words = f"{said}somebody gave it the node selector {selector} (kubectl "
        rig.until("its word", partial(_begins, left, session, words))
        *command, patch = shlex.split((current_problem(left, session) or "").rstrip(")"))
        assert command[-5:] == ["daemonset", "narrowed", "--type", "merge", "-p"]
        merge = json.loads(patch)
        session.api.merge("DaemonSet", "narrowed", merge, namespace=SYSTEM, manager="kubectl-patch")
        rig.until("both", lambda: current_problem(rolled_out, session) == "0 of 2 ready")
    assert current_problem(everywhere, session) is None
    session.api.delete("DaemonSet", "narrowed", namespace=SYSTEM)
    for one in nodes:
        session.api.delete("Node", one["metadata"]["name"])


def _begins(condition: Condition, session: Session, words: str) -> bool:
    return (current_problem(condition, session) or "").startswith(words)


def test_a_deployment_is_rolled_out_when_its_pods_are_ready(rig: Rig, session: Session) -> None:
    labels = {"app": "rolled"}
    wanted = workload("Deployment", "rolled", pods={"nodeName": "here"})
    rolled_out = conditions.rolled_out("Deployment", "rolled")
    run = conditions.pods_run(labels, on={"here"}, at_least=2)
    assert current_problem(rolled_out, session) == "there is no Deployment rolled"
    assert current_problem(run, session) == "0 of 2 pods run"

    session.api.apply(wanted)
    rig.until(
        "two pods", lambda: len(session.api.list("Pod", namespace=SYSTEM, labels=labels)) == 2
    )
    rig.until("a status", lambda: current_problem(rolled_out, session) == "0 of 2 ready")
    for made in session.api.list("Pod", namespace=SYSTEM, labels=labels):
        say(session, "Pod", made["metadata"]["name"], Ready="True", ContainersReady="True")

    wait_for(rolled_out, session, lambda _: None)
    assert current_problem(run, session) is None
    elsewhere = conditions.pods_run(labels, on={"there"}, at_least=1)
    assert current_problem(elsewhere, session) == "0 of 1 pods run"
    newest = conditions.pods_run(labels, on={"here"}, at_least=1, newest_of="rolled")
    assert current_problem(newest, session) is None
    # A change of the template begins again, before any controller has seen it.
    wanted["spec"]["template"]["metadata"] = {"labels": {**labels, "new": "1"}}
    with rig.programs[CONTROLLER_MANAGER.name].standing_still():
        session.api.apply(wanted)
        assert current_problem(rolled_out, session)
        assert current_problem(newest, session) == (
            "the controller of Deployment rolled has not seen it yet"
        )
    # Those of before run, and don't count for the newest revision.
    rig.until("a new one", lambda: len(pods_of(session, labels)) == 3)
    # A controller makes the pod first, and says then that it has seen the change.
    rig.until("a word of it", lambda: current_problem(newest, session) == "0 of 1 pods run")
    assert current_problem(run, session) is None
    [new] = [one for one in pods_of(session, labels) if "new" in one["metadata"]["labels"]]
    say(session, "Pod", new["metadata"]["name"], Ready="True", ContainersReady="True")
    assert current_problem(newest, session) is None
    session.api.delete("Deployment", "rolled", namespace=SYSTEM)


def test_a_control_plane_node_keeps_all_that_is_not_ours(session: Session) -> None:
    theirs = {"key": "dedicated", "value": "db", "effect": "NoExecute"}
    made = node("marked", zone="a")
    made["spec"] = {"taints": [theirs]}
    wanted = ControlPlaneNode("marked")
    assert wanted.drift(session) == "missing"
    session.api.apply(made)

    assert wanted.drift(session) == f"label {CONTROL_PLANE} is missing"
    wanted.apply(session)
    assert wanted.drift(session) is None
    found = session.api.get("Node", "marked")
    assert found
    assert {"zone": "a", **LABELS}.items() <= found["metadata"]["labels"].items()
    assert theirs in found["spec"]["taints"]
    assert {"key": CONTROL_PLANE, "effect": "NoSchedule"} in found["spec"]["taints"]

    session.api.merge("Node", "marked", {"metadata": {"labels": {HOSTNAME: None}}})
    assert wanted.drift(session) == f"label {HOSTNAME} is missing"
    wanted.apply(session)
    again = session.api.get("Node", "marked")
    assert (
        again and again["spec"]["taints"].count({"key": CONTROL_PLANE, "effect": "NoSchedule"}) == 1
    )
    session.api.delete("Node", "marked")


def test_a_node_that_others_write_to_all_the_time_is_marked_all_the_same(
    rig: Rig, session: Session
) -> None:
    """Its kubelet does so, and several controllers."""
    session.api.apply(node("busy"))
    wanted, done = ControlPlaneNode("busy"), threading.Event()

    def write() -> None:
        with rig.session() as theirs:
            for number in itertools.count():
                if done.is_set():
                    return
                notes = {"metadata": {"annotations": {"number": str(number)}}}
                theirs.api.merge("Node", "busy", notes)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(20):
            wanted.apply(session)
            assert wanted.drift(session) is None
            session.api.merge("Node", "busy", {"spec": {"taints": None}})
    finally:
        done.set()
        writer.join()
    session.api.delete("Node", "busy")


@pytest.fixture
def undisturbed(rig: Rig) -> Iterator[None]:
    """The DaemonSet's controller would adopt these pods, and delete them again."""
    with rig.programs["kube-controller-manager"].standing_still():
        yield


@pytest.mark.usefixtures("undisturbed")
def test_only_the_pod_behind_the_door_is_marked(session: Session) -> None:
    for name in ("here", "there"):
        session.api.apply(node(name))
    pods = [pod("old", "here", port=6445), pod("new", "here", port=6446)]
    for made in (*pods, pod("elsewhere", "there", port=6446)):
        session.api.apply(made)
    say(session, "Pod", "new", ContainersReady="True")
    gate = DoorGate("here", 6446)

    assert gate.drift(session) == "new is not marked"
    gate.apply(session)
    assert gate.drift(session) is None

    def said(name: str) -> dict[str, str]:
        found = session.api.get("Pod", name, namespace=SYSTEM)
        assert found
        return {c["type"]: c["status"] for c in found["status"].get("conditions", [])}

    assert said("new") == {"ContainersReady": "True", apiserver.DOOR_GATE: "True"}
    assert apiserver.DOOR_GATE not in said("old")
    assert apiserver.DOOR_GATE not in said("elsewhere")
    for name in ("old", "new", "elsewhere"):
        session.api.delete("Pod", name, namespace=SYSTEM)


@pytest.mark.usefixtures("undisturbed")
def test_a_pod_that_is_gone_is_gone(session: Session) -> None:
    assert current_problem(conditions.pod_gone("no-such-pod"), session) is None
    session.api.apply(node("here"))
    session.api.apply(pod("still", "here", port=6445))
    assert current_problem(conditions.pod_gone("still"), session) == "pod still is still there"


@pytest.mark.usefixtures("undisturbed")
@pytest.mark.parametrize("kind", ["DaemonSet", "Deployment"])
def test_pods_of_a_node_that_is_away_are_told_and_not_waited_for(
    session: Session, kind: str
) -> None:
    name = kind.lower()
    made = session.api.apply(workload(kind, name))
    ready = "numberReady" if kind == "DaemonSet" else "readyReplicas"
    scheduled = {f"{count}NumberScheduled": 2 for count in ("desired", "updated", "current")}
    of_kind = {
        "DaemonSet": {**scheduled, "numberMisscheduled": 0},
        "Deployment": {"updatedReplicas": 2, "replicas": 2},
    }
    seen = {"observedGeneration": made["metadata"]["generation"]}
    status = {**seen, **of_kind[kind], ready: 1}
    session.api.merge(kind, name, {"status": status}, namespace=SYSTEM, status=True)
    for where in ("here", "away"):
        session.api.apply(node(where))
        say(session, "Node", where, Ready="True")
        bound = pod(f"{name}-{where}", where, port=6445)
        bound["metadata"]["labels"] = {"app": name}
        session.api.apply(bound)
    ready_here = conditions.rolled_out(kind, name, here="here")

    assert current_problem(ready_here, session) == "1 of 2 ready"
    since = "2026-11-28T00:25:00Z"
    unheard = {"type": "Ready", "status": "Unknown", "lastTransitionTime": since}
    session.api.merge("Node", "away", {"status": {"conditions": [unheard]}}, status=True)
    assert current_problem(ready_here, session) is None
    assert current_problem(conditions.rolled_out(kind, name), session) == "1 of 2 ready"
    [told] = conditions.absences(session, here="here")
    assert told == f"node away is not Ready since {since}; pods there are not waited for"
    # Its own absence is an error, and so is that of all pods.
    assert current_problem(conditions.rolled_out(kind, name, here="away"), session)
    session.api.merge(kind, name, {"status": {ready: 0}}, namespace=SYSTEM, status=True)
    assert current_problem(ready_here, session) == "0 of 1 ready"

    session.api.delete(kind, name, namespace=SYSTEM)
    for where in ("here", "away"):
        session.api.delete("Pod", f"{name}-{where}", namespace=SYSTEM, grace_s=0)
        session.api.delete("Node", where)


class Kubelets:
    """What the kubelets of some nodes and the scheduler do, as far as a DaemonSet is told of it."""

    def __init__(
        self,
        rig: Rig,
        session: Session,
        labels: dict[str, str],
        nodes: set[str],
        *,
        ready: str = "True",
    ) -> None:
        self.rig, self.session, self.labels, self.nodes = rig, session, labels, nodes
        self.ready, self.fewest = ready, len(nodes)

    def do(self) -> None:
        """End what is to end and start what is new, having seen how many serve."""
        serving = set()
        for found in pods_of(self.session, self.labels):
            name, on = found["metadata"]["name"], _meant_for(found)
            if on not in self.nodes:
                continue
            if "deletionTimestamp" in found["metadata"]:
                self.session.api.delete("Pod", name, namespace=SYSTEM, grace_s=0)
            elif condition_of(found, "Ready"):
                serving.add(on)
            else:
                self._start(found, on)
        self.fewest = min(self.fewest, len(serving))

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        """Do it until something holds."""

        def is_so() -> bool:
            self.do()
            return holds()

        self.fewest = len(self.nodes)
        self.rig.until(what, is_so)

    def _start(self, found: dict[str, Any], on: str) -> None:
        name = found["metadata"]["name"]
        if "nodeName" not in found["spec"]:
            target = {"apiVersion": "v1", "kind": "Node", "name": on}
            about = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}}
            path = f"/api/v1/namespaces/{SYSTEM}/pods/{name}/binding"
            binding = json.dumps({**about, "target": target})
            self.rig.kubectl("create", "--raw", path, "-f", "-", user="scheduler", stdin=binding)
        say(self.session, "Pod", name, Ready=self.ready)


def _meant_for(found: dict[str, Any]) -> str:
    """Return on which node a DaemonSet's controller wants a pod of its."""
    terms = found["spec"]["affinity"]["nodeAffinity"]
    [term] = terms["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    [name] = term["matchFields"][0]["values"]
    return str(name)


def on_nodes(settings: str) -> dict[str, Any]:
    """Return a DaemonSet of nodes that mounts some settings."""
    containers = [{"name": "it", "image": "localhost/none"}]
    spec = {"tolerations": TOLERATE_EVERYTHING, "containers": containers}
    return node_daemonset("rolling", {"app": "rolling"}, spec, settings=settings)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("others", [0, 1, 2])
def test_a_node_that_is_off_holds_up_no_roll_on_those_that_are_there(
    rig: Rig, session: Session, others: int
) -> None:
    """Its pod is to end, and nobody is there to end it."""
    there = {"here", *(f"there{number}" for number in range(others))}
    labels, rolled_out = {"app": "rolling"}, conditions.rolled_out("DaemonSet", "rolling")
    rolled_out_here = conditions.rolled_out("DaemonSet", "rolling", here="here")
    for one_more in session.api.list("Node"):  # of another test
        session.api.delete("Node", one_more["metadata"]["name"])
    for name in (*there, "off"):
        session.api.apply(node(name))
        say(session, "Node", name, Ready="True")
    NodeDaemonSet(on_nodes("old"), here="here").apply(session)
    all_kubelets = Kubelets(rig, session, labels, {*there, "off"})
    all_kubelets.until("all", lambda: current_problem(rolled_out, session) is None)

    [its_pod] = [pod for pod in pods_of(session, labels) if pod["spec"]["nodeName"] == "off"]
    say(session, "Node", "off", Ready="Unknown")
    say(session, "Pod", its_pod["metadata"]["name"], Ready="False")
    new = NodeDaemonSet(on_nodes("new"), here="here")
    assert new.drift(session)
    new.apply(session)
    assert new.drift(session) is None, "it changes once"
    left = Kubelets(rig, session, labels, there)
    left.until("the roll", lambda: current_problem(rolled_out_here, session) is None)

    assert current_problem(rolled_out, session) == f"{others + 1} of {others + 2} ready"
    made = {_meant_for(pod): pod["metadata"] for pod in pods_of(session, labels)}
    assert "deletionTimestamp" in made["off"]
    notes = on_nodes("new")["spec"]["template"]["metadata"]["annotations"]
    assert all(made[name]["annotations"] == notes for name in there)
    # One at a time.
    assert left.fewest == others

    # Somebody takes its pod away amid a roll: the new one there stands for none that is late here.
    NodeDaemonSet(on_nodes("newest"), here="here").apply(session)
    off = {**made["off"]}

    def is_made() -> bool:
        found = [one["metadata"] for one in pods_of(session, labels) if _meant_for(one) == "off"]
        off.update(found[0] if found else {})
        newest = on_nodes("newest")["spec"]["template"]["metadata"]["annotations"]
        return bool(off["annotations"] == newest)

    session.api.delete("Pod", off["name"], namespace=SYSTEM, grace_s=0)
    binding = Kubelets(rig, session, labels, {"off"}, ready="False")
    binding.until("the new one", is_made)
    binding.do()

    def counts() -> tuple[int, int]:
        found = session.api.get("DaemonSet", "rolling", namespace=SYSTEM)
        assert found
        return found["status"]["updatedNumberScheduled"], found["status"]["numberReady"]

    rig.until("its controller to count them", lambda: counts() == (1, others + 1))
    assert current_problem(rolled_out_here, session) == "a rollout is on"
    left.until("the roll", lambda: current_problem(rolled_out_here, session) is None)
    assert left.fewest == others

    session.api.delete("DaemonSet", "rolling", namespace=SYSTEM)
    for pod_left in pods_of(session, labels):
        session.api.delete("Pod", pod_left["metadata"]["name"], namespace=SYSTEM, grace_s=0)
    for name in (*there, "off"):
        session.api.delete("Node", name)


@pytest.fixture
def crashing(session: Session) -> Iterator[str]:
    """An API server's pod that has been started again and again, on a node of this name."""
    name = "kube-apiserver-crashing"
    session.api.apply(pod(name, "crashing", port=6445))
    container = {
        "name": "it",
        "image": "localhost/none",
        "imageID": "",
        "ready": False,
        "restartCount": conditions.CRASHES,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    }
    change = {"status": {"containerStatuses": [container]}}
    session.api.merge("Pod", name, change, namespace=SYSTEM, status=True)
    yield name
    session.api.delete("Pod", name, namespace=SYSTEM, grace_s=0)


@pytest.mark.parametrize(
    ("proven", "node", "is_hopeless"),
    [("a", "crashing", False), ("another", "crashing", True), ("another", "other", False)],
)
def test_a_new_revision_that_crashes_is_not_waited_for(
    session: Session, crashing: str, proven: str, node: str, *, is_hopeless: bool
) -> None:
    """One that has been proven may have restarted for other reasons; another host's is its own."""
    hosted = Hosted(port=6445, template="", revision="a")
    facts = replace(
        on_host(node=node, proven=Proven(proven, {}, "kubeception")),
        cluster=replace(CLUSTER, hosted=hosted),
    )
    [stable] = hosted_is_stable(CONFIG, facts)

    told = current_problem(stable, session) or ""
    assert told.startswith(f"{crashing} has restarted 3 times: ") is is_hopeless
    assert told
    if is_hopeless:
        with pytest.raises(Hopeless, match="has restarted 3 times"):
            wait_for(stable, session, lambda _: None)


def test_a_wait_ends_where_the_api_server_has_ended(rig: Rig) -> None:
    """It holds the host's lock, and the keeper with it, which would bring one back."""
    session, passed_s = rig.session(), itertools.count(step=1.0)
    clock = replace(
        session.host.clock, monotonic=lambda: next(passed_s), sleep=lambda _s: None, slowness=one
    )
    session = replace(session, host=replace(session.host, clock=clock))
    never = Condition("what never comes", lambda _session: "it is not there", timeout_s=60.0)

    with pytest.raises(WaitTimeout):
        wait_for(unless_nobody_serves(never), session, print)
    with pytest.raises(Hopeless, match="nobody listens on port"):
        wait_for(unless_nobody_serves(never), replace(session, api_port=rig.spare_port()), print)


def test_a_node_that_is_made_again_has_room_for_the_pods_that_run_there(session: Session) -> None:
    session.api.create(made_again("made-again"))
    found = session.api.get("Node", "made-again")

    assert found is not None
    assert int(found["status"]["allocatable"]["pods"]) > 110
    assert {"cpu", "memory"} < found["status"]["allocatable"].keys()


def one() -> float:
    return 1.0


def test_a_node_that_evicts_pods_is_named(session: Session) -> None:
    session.api.create(node("crowded"))
    say(session, "Node", "crowded", Ready="True", DiskPressure="False", MemoryPressure="False")

    def said() -> str | None:
        return current_problem(conditions.nodes_have_room(conditions.ready_nodes()), session)

    assert said() is None
    say(session, "Node", "crowded", DiskPressure="True")
    assert re.fullmatch(r"crowded evicts pods: DiskPressure \(there: du .+\)", said() or "")
