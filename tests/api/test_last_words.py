"""What a wait that was in vain says: how the pod is that it waited for, and its last lines."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.api.rig import Rig

from kubeception import conditions
from kubeception.conditions import Condition, wait_for
from kubeception.conditions.nodes import NO_NETWORK
from kubeception.errors import WaitTimeout
from kubeception.render import flannel
from kubeception.session import Session

SYSTEM = "kube-system"


@pytest.fixture
def made(rig: Rig, session: Session) -> Iterator["Pods"]:
    account = ("ServiceAccount", "default")
    rig.until("its account", lambda: session.api.get(*account, namespace=SYSTEM) is not None)
    pods = Pods(rig.root / "var/log/pods", session)
    yield pods
    for name in pods.names:
        session.api.delete("Pod", name, namespace=SYSTEM, grace_s=0)


class Pods:
    """Pods in the API whose kubelet is this test: it says how they are, and has their logs."""

    def __init__(self, logs: Path, session: Session) -> None:
        self.names: list[str] = []
        self._logs = logs
        self._session = session

    def make(
        self,
        name: str,
        labels: dict[str, str],
        *,
        ready: bool = False,
        says: str | None = None,
        state: dict[str, Any] | None = None,
        node: str | None = "here",
    ) -> None:
        api = self._session.api
        spec = {
            "automountServiceAccountToken": False,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "it", "image": "localhost/none"}],
            **({"nodeName": node} if node else {}),
        }
        about = {"name": name, "namespace": SYSTEM, "labels": labels}
        wanted = {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": spec}
        uid = api.apply(wanted)["metadata"]["uid"]
        self.names.append(name)
        word = "True" if ready else "False"
        container = {
            "name": "it",
            "image": "localhost/none",
            "imageID": "",
            "ready": ready,
            "restartCount": 0,
            "state": state or {"running": {}},
        }
        status = {
            "conditions": [{"type": one, "status": word} for one in ("Ready", "ContainersReady")],
            "containerStatuses": [container] if node else [],
        }
        api.merge("Pod", name, {"status": status}, namespace=SYSTEM, status=True)
        if says:
            folder = self._logs / f"{SYSTEM}_{name}_{uid}" / "it"
            folder.mkdir(parents=True)
            (folder / "0.log").write_text(f"2026-11-28T09:00:00.1Z stderr F {says}\n")


def last_words(condition: Condition, session: Session) -> tuple[str, ...]:
    """Return what is told when a condition, which does not hold, has had no time at all."""
    at_once = Condition(
        condition.what, condition.problem, timeout_s=-1, last_words=condition.last_words
    )
    with pytest.raises(WaitTimeout) as caught:
        wait_for(at_once, session, lambda _: None)
    return caught.value.last_words


def test_of_the_pods_of_a_workload_the_newest_that_is_late_is_heard(
    rig: Rig, session: Session, made: Pods
) -> None:
    labels = {"app": "heard"}
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    made.make("an-older-one", labels, says="no such image")
    # The API tells a pod's age in whole seconds.
    older = session.host.clock.now()
    rig.until("another second", lambda: session.host.clock.now() - older > timedelta(seconds=1))
    made.make("crashed", labels, says="unknown flag: --bogus", state=waiting)
    made.make("and-served", labels, ready=True, says="all is well")
    run = conditions.pods_run(labels, on={"here"}, at_least=2)

    assert last_words(run, session) == (
        f"pod {SYSTEM}/crashed on here: it is waiting, CrashLoopBackOff: back-off 10s",
        "unknown flag: --bogus",
    )


def test_how_a_pod_ended_is_told_where_it_has_said_nothing(session: Session, made: Pods) -> None:
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    made.make("killed", {"app": "killed"}, state=ended)
    run = conditions.pods_run({"app": "killed"}, on={"here"})

    words = "it is terminated, OOMKilled: it ended with exit code 137"
    assert last_words(run, session) == (f"pod {SYSTEM}/killed on here: {words}",)


def test_a_pod_that_no_node_takes_says_so(session: Session, made: Pods) -> None:
    made.make("homeless", {"app": "homeless"}, node=None)
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes: too small"}
    change = {"status": {"conditions": [unscheduled]}}
    session.api.merge("Pod", "homeless", change, namespace=SYSTEM, status=True)
    run = conditions.pods_run({"app": "homeless"}, on={"here"})

    told = f"pod {SYSTEM}/homeless on no node: 0/1 nodes: too small"
    assert last_words(run, session) == (told,)


def test_pods_of_other_nodes_are_not_heard_where_they_do_not_count(
    session: Session, made: Pods
) -> None:
    made.make("elsewhere", {"app": "apart"}, node="there", says="not mine")
    run = conditions.pods_run({"app": "apart"}, on={"here"})

    assert last_words(run, session) == ("there is no pod with app=apart",)


def test_a_lease_that_nobody_holds_is_told_by_who_should(session: Session, made: Pods) -> None:
    made.make("kube-tried-1", {"component": "kube-tried"}, ready=True, says="lost the election")

    held = last_words(conditions.lease_held("kube-tried"), session)

    assert held[1:] == ("lost the election",)


def test_a_node_without_a_network_is_told_by_flannel(session: Session, made: Pods) -> None:
    about = {"name": "netless"}
    session.api.apply({"apiVersion": "v1", "kind": "Node", "metadata": about})
    said = f"container runtime network not ready: reason:{NO_NETWORK}"
    unready = {"type": "Ready", "status": "False", "message": said}
    session.api.merge("Node", "netless", {"status": {"conditions": [unready]}}, status=True)
    made.make("flannel-old", flannel.LABELS, node="there", says="of another node")
    made.make("flannel-new", flannel.LABELS, node="netless", says="no interface with 192.0.2.1")

    told = last_words(conditions.node_ready("netless"), session)
    unready["message"] = "PLEG is not healthy"
    session.api.merge("Node", "netless", {"status": {"conditions": [unready]}}, status=True)
    of_kubelet = last_words(conditions.node_ready("netless"), session)
    session.api.delete("Node", "netless")

    assert told[1:] == ("no interface with 192.0.2.1",)
    assert of_kubelet[0].startswith("kubelet.service: ")


def test_an_api_that_is_silent_hides_no_failure(rig: Rig, session: Session) -> None:
    with rig.session() as silent:
        silent.api_port = rig.spare_port()
        silent.is_patient = False
        told = last_words(conditions.rolled_out("DaemonSet", "any"), silent)

    [words] = told
    assert words.startswith("what it said last can't be read: ")
