"""A ClusterUpgrade and Nodes as the rules about batches have them, and what people are told."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from tests.fixed import CLUSTER

from kubeception.controller import cluster_upgrade
from kubeception.controller.batches import NodeProgress, Run, State
from kubeception.kube.eviction import MIRROR_NOTE
from kubeception.render import cluster_controller, controllers, coredns
from kubeception.render.cluster_upgrade import (
    BUNDLES_NOTE,
    NEEDED_NOTE,
    Order,
    Phase,
    of_order,
)
from kubeception.render.objects import CONTROL_PLANE
from kubeception.render.window import Window
from kubeception.source import Source

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


def node(name: str, *bundles: str, **labels: str) -> dict[str, Any]:
    metadata = {"name": name, "labels": labels, "annotations": {BUNDLES_NOTE: " ".join(bundles)}}
    return {"metadata": metadata, "status": {"nodeInfo": {"kubeletVersion": "v1.37.1"}}}


@pytest.mark.parametrize(
    ("release", "turns"),
    [
        ("", ["b", "c", "a"]),
        ("1.38.0-0123", ["a", "b", "c"]),
        ("1.37.1-0123", ["a", "b", "c"]),
        ("1.37.0-0123", ["b", "c", "a"]),
        ("1.36.4-0123", ["b", "c", "a"]),
    ],
)
def test_workers_go_first_but_to_a_later_release(release: str, turns: list[str]) -> None:
    nodes = [node("a", **{CONTROL_PLANE: ""}), node("c"), node("b")]

    found = cluster_upgrade.in_turn(nodes, None, release=release)
    named = cluster_upgrade.in_turn(nodes, ["a", "c"], release=release)

    assert [one.name for one in found] == turns
    assert [one.name for one in named] == [name for name in turns if name != "b"]


@pytest.mark.parametrize(
    ("note", "boot", "answer"),
    [("b1", "b1", True), ("b0", "b1", False), ("", "", False), (None, "b1", False)],
)
def test_a_host_that_has_rebooted_meanwhile_needs_it_no_more(
    note: str | None, boot: str, answer: bool
) -> None:
    notes = {} if note is None else {NEEDED_NOTE: note}
    metadata = {"name": "w1", "annotations": notes}

    found = {"metadata": metadata, "status": {"nodeInfo": {"bootID": boot}}}
    assert cluster_upgrade.needs_reboot(found) is answer


OLD, NEW = "1.36.4-0123", "1.37.1-0123"
TO_NEW = Order(("a", "b", "c", "d"), NEW, OLD, batch=2, drain_s=7)
ABORTED = (
    NodeProgress("a", State.DONE),
    NodeProgress("b", State.FAILED, "it broke", boot="b-0"),
    NodeProgress("c", State.RELEASED),
    NodeProgress("d", State.WAITING),
    NodeProgress("f", State.FAILED, "not empty"),
)


def ended(order: Order) -> dict[str, Any]:
    found = {**of_order(order), "metadata": {"name": "upgrade-1", "uid": "0"}}
    run = replace(cluster_upgrade.of(found), nodes=ABORTED, phase=Phase.ABORTED)
    return {**found, "status": cluster_upgrade.status_of(run, found, NOW)}


def test_who_has_gone_to_a_release_goes_back_as_he_went() -> None:
    found = ended(TO_NEW)
    """Not one that could not be emptied, as nobody has asked its host for anything."""
    nodes = [node("a", NEW, OLD), node("e", NEW, OLD), *(node(name, OLD, NEW) for name in "bcf")]

    back = cluster_upgrade.way_back(found, nodes)

    assert back is not None
    assert back["metadata"] == {"generateName": "upgrade-", "name": "upgrade-1-back-0"}
    changed = {"nodes": ["a", "b", "e"], "version": OLD}
    kept = {key: value for key, value in found["spec"].items() if key != "previous"}
    assert back["spec"] == {**kept, **changed}
    assert found["status"]["message"].endswith("goes back by upgrade-1-back-0")


def test_who_has_failed_before_his_turn_has_not_gone() -> None:
    """Nothing of such a host was changed, as where a bundle could not be fetched."""
    found = {**of_order(TO_NEW), "metadata": {"name": "upgrade-1", "uid": "0"}}
    nodes = (NodeProgress("a", State.FAILED), NodeProgress("b"))
    run = replace(cluster_upgrade.of(found), nodes=nodes, phase=Phase.FAILED)
    stopped = {**found, "status": cluster_upgrade.status_of(run, found, NOW)}

    assert cluster_upgrade.way_back(stopped, [node("a", OLD), node("b", OLD)]) is None


def test_a_source_is_read_as_it_was_asked_for() -> None:
    source = Source("http://192.0.2.1/new", "ab" * 32)
    found = {**of_order(replace(TO_NEW, source=source)), "metadata": {"name": "u", "uid": "0"}}

    assert cluster_upgrade.of(found).has_source
    run = replace(cluster_upgrade.of(found), nodes=ABORTED, phase=Phase.ABORTED)
    status = cluster_upgrade.status_of(run, found, NOW)
    back = cluster_upgrade.way_back({**found, "status": status}, [node("a", NEW, OLD)])
    assert back is not None
    assert "source" not in back["spec"], "it is the other release's"


@pytest.mark.parametrize(
    ("order", "bundles"), [(replace(TO_NEW, previous=None), (NEW, OLD)), (TO_NEW, (OLD, NEW))]
)
def test_nobody_goes_back_who_has_not_gone_or_knows_no_way(
    order: Order, bundles: tuple[str, ...]
) -> None:
    assert cluster_upgrade.way_back(ended(order), [node("c", *bundles)]) is None


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


@pytest.mark.parametrize(
    ("reboots", "said"), [(False, "run patch"), (True, "run patch and rebooted")]
)
def test_so_is_one_that_runs_a_program(reboots: bool, said: str) -> None:
    found = {
        **of_order(Order(("w1",), command="patch", reboots=reboots)),
        "metadata": {"name": "r", "uid": "0"},
    }
    run = cluster_upgrade.of(found)

    assert (run.command, run.ask) == ("patch", "0/patch")
    assert run.steps == (State.RUNNING, State.REBOOTING)[: 1 + reboots]
    assert found["spec"]["steps"] == ["command", "reboot"][: 1 + reboots]
    ended = replace(run, phase=Phase.SUCCEEDED)
    assert cluster_upgrade.status_of(ended, found, NOW)["message"] == f"all nodes have {said}"


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("Europe/Berlin", "the next batch may begin on Sun 2026-03-01 at 22:00 CET"),
        ("Europe/Nowhere", "no batch begins: 'Europe/Nowhere' is no time zone that is known here"),
    ],
)
def test_when_a_batch_may_begin_is_read_and_told(zone: str, said: str) -> None:
    window = Window(time(22), time(4), zone, ("Sun",))
    found = {**of_order(replace(ORDER, window=window)), "metadata": {"name": "r", "uid": "0"}}
    run = cluster_upgrade.of(found)

    assert run.window == window
    assert cluster_upgrade.status_of(run, found, NOW)["message"] == said


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
