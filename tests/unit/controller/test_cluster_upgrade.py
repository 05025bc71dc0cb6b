"""A ClusterUpgrade and Nodes as the rules about batches have them, and what people are told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.fixed import CLUSTER

from kubeception.controller import cluster_upgrade
from kubeception.controller.batches import NodeProgress, Phase, Run, State
from kubeception.kube.eviction import MIRROR_NOTE
from kubeception.render import cluster_controller, controllers, coredns
from kubeception.render.cluster_upgrade import (
    ANSWER_NOTE,
    BUNDLES_NOTE,
    CORDONED_NOTE,
    RELEASE_NOTE,
    Order,
    of_order,
)
from kubeception.render.objects import CONTROL_PLANE

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def pod(template: dict[str, Any], namespace: str = "kube-system") -> dict[str, Any]:
    metadata = {**template.get("metadata", {}), "name": "it", "namespace": namespace}
    return {**template, "metadata": metadata}


def template_of(found: dict[str, Any]) -> dict[str, Any]:
    template: dict[str, Any] = found["spec"]["template"]
    return template


[CONTROLLER] = [
    template_of(one)
    for one in cluster_controller.everything(CLUSTER)
    if one["kind"] == "Deployment"
]
[DNS] = [
    template_of(one) for one in coredns.everything(CLUSTER.settings) if one["kind"] == "Deployment"
]
PLANE = [template_of(controllers.deployment(one, CLUSTER)) for one in controllers.BOTH]
ANY: dict[str, Any] = {"spec": {}}


@pytest.mark.parametrize("template", [*PLANE, CONTROLLER])
def test_what_control_plane_hosts_alone_may_run_goes_down_with_them(
    template: dict[str, Any],
) -> None:
    """Whoever empties a node would end itself, and whoever starts pods elsewhere, too."""
    assert not cluster_upgrade.has_to_go(pod(template))
    assert cluster_upgrade.has_to_go(pod(template, "default"))


def test_what_may_run_elsewhere_goes() -> None:
    assert cluster_upgrade.has_to_go(pod(DNS))
    assert cluster_upgrade.has_to_go(pod(ANY))


@pytest.mark.parametrize(
    "more",
    [
        {"status": {"phase": "Succeeded"}},
        {"status": {"phase": "Failed"}},
        {"metadata": {"annotations": {MIRROR_NOTE: "0"}}},
        {"metadata": {"ownerReferences": [{"kind": "DaemonSet", "controller": True}]}},
    ],
)
def test_what_has_ended_or_comes_back_by_itself_stays(more: dict[str, Any]) -> None:
    assert not cluster_upgrade.has_to_go(pod({**ANY, **more}))


def test_workers_go_first() -> None:
    def node(name: str, **labels: str) -> dict[str, Any]:
        return {"metadata": {"name": name, "labels": labels}}

    nodes = [node("a", **{CONTROL_PLANE: ""}), node("c"), node("b")]

    assert [one.name for one in cluster_upgrade.in_turn(nodes, None)] == ["b", "c", "a"]
    assert [one.name for one in cluster_upgrade.in_turn(nodes, ["a", "c"])] == ["c", "a"]
    turns = cluster_upgrade.in_turn(nodes, None, is_upgrade=True)
    assert [one.name for one in turns] == ["a", "b", "c"]


NODES = (
    NodeProgress("w1", State.DONE, since=NOW),
    NodeProgress("w2", State.REBOOTING, "has rebooted, is not Ready yet", "b1", NOW),
    NodeProgress("w3", State.FAILED, "the node is gone", since=NOW),
    NodeProgress("w4"),
)
ORDER = Order(("w1",), batch="10%", drain_s=1, is_forced=True, step_s=2, skips_offline=True)
UPGRADE = Order(("w1",), "1.37.1-0123", keeps_pods=True)


def test_what_is_written_down_is_read_as_it_was() -> None:
    found = {**of_order(ORDER), "metadata": {"name": "r", "uid": "0"}}
    run = replace(cluster_upgrade.of(found), nodes=NODES, phase=Phase.RUNNING)

    status = cluster_upgrade.status_of(run, found, NOW)

    assert cluster_upgrade.of({**found, "status": status}) == run
    assert status["done"] == "1/4"
    assert run == Run(
        *("r", NODES, Phase.RUNNING, "10%"),
        identity="0",
        drain=timedelta(seconds=1),
        is_forced=True,
        step=timedelta(seconds=2),
        skips_offline=True,
    )


def test_so_is_one_to_another_release() -> None:
    found = {**of_order(UPGRADE), "metadata": {"name": "r", "uid": "0"}}
    run = cluster_upgrade.of(found)

    assert (run.release, run.keeps_pods, run.ask) == ("1.37.1-0123", True, "0/1.37.1-0123")
    ended = replace(run, phase=Phase.SUCCEEDED)
    status = cluster_upgrade.status_of(ended, found, NOW)
    assert status["message"] == "all nodes run 1.37.1-0123"


RUNS = {BUNDLES_NOTE: "1.37.1-b 1.36.4-a"}


@pytest.mark.parametrize(
    ("notes", "kubelet", "answer"),
    [
        (RUNS, "v1.37.1", True),
        (RUNS, "v1.36.4", False),
        ({BUNDLES_NOTE: "1.36.4-a 1.37.1-b"}, "v1.37.1", False),
        ({**RUNS, ANSWER_NOTE: "u/1.37.1-b"}, "v1.37.1", True),
        ({**RUNS, ANSWER_NOTE: "u/1.37.1-b: it broke"}, "v1.37.1", False),
        ({**RUNS, ANSWER_NOTE: "t/1.36.4-a: it broke"}, "v1.37.1", True),
        ({**RUNS, RELEASE_NOTE: "u/1.37.1-b"}, "v1.37.1", False),
        ({**RUNS, CORDONED_NOTE: "r"}, "v1.37.1", False),
        ({}, "v1.37.1", False),
    ],
)
def test_a_host_is_on_a_release_that_it_came_to_the_end_of(
    notes: dict[str, str], kubelet: str, answer: bool
) -> None:
    metadata = {"name": "w1", "annotations": notes}
    node = {"metadata": metadata, "status": {"nodeInfo": {"kubeletVersion": kubelet}}}

    assert cluster_upgrade.is_on("1.37.1-b", "1.37.1", node) is answer


SAID = {
    Phase.RUNNING: "w2 rebooting: has rebooted, is not Ready yet",
    Phase.FAILED: "stopped after the first batch that failed: w3 failed: the node is gone",
    Phase.PAUSED: "paused before the next batch",
    Phase.ABORTED: "aborted; what was not told to go on is as before",
    Phase.SUCCEEDED: "all nodes have rebooted",
}


@pytest.mark.parametrize("phase", SAID)
def test_people_are_told_in_a_sentence(phase: Phase) -> None:
    found = {**of_order(ORDER), "metadata": {"name": "r", "uid": "0"}}
    run = replace(cluster_upgrade.of(found), nodes=NODES, phase=phase)

    assert cluster_upgrade.status_of(run, found, NOW)["message"] == SAID[phase]


def test_a_condition_keeps_the_moment_since_which_it_is_so() -> None:
    found = {**of_order(ORDER), "metadata": {"name": "r", "uid": "0"}}
    run = replace(cluster_upgrade.of(found), nodes=NODES, phase=Phase.RUNNING)
    before = cluster_upgrade.status_of(run, found, NOW)

    later = NOW + timedelta(minutes=1)
    ended = replace(run, phase=Phase.FAILED)
    same = cluster_upgrade.status_of(run, {**found, "status": before}, later)
    after = cluster_upgrade.status_of(ended, {**found, "status": before}, later)

    assert same == before
    assert [(one["type"], one["status"]) for one in after["conditions"]] == [
        ("Progressing", "False"),
        ("Succeeded", "False"),
    ]
    assert {one["lastTransitionTime"] for one in after["conditions"]} == {"2026-03-01T12:01:00Z"}
