"""Nodes of a real API listed, emptied and removed; the tests say what kubelets would say."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.api import pods
from tests.api.rig import Rig
from tests.killed import ratchet

from kubeception.admin import nodes, tokens
from kubeception.errors import KubeceptionError, WaitTimeout
from kubeception.gather import node_name
from kubeception.kube.client import Api
from kubeception.pki.token import Role
from kubeception.render import access, join_records
from kubeception.render.join_records import RECORDS, NodeRecord
from kubeception.render.objects import CONTROL_PLANE
from kubeception.resources.object import Object
from kubeception.session import Session

HOME = "drained"
LABELS = {"app": "kept"}
LONG_S = 20.0


@pytest.fixture(autouse=True)
def clean(rig: Rig, session: Session) -> Iterator[None]:
    """A namespace of its own, and no node, no record and no pod of a test's afterwards."""
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}}
    for wanted in (home, *access.bindings(), *join_records.namespaces()):
        Object(wanted).apply(session)
    rig.until("its account", lambda: _account(session.api))
    yield
    api = session.api
    for budget in api.list("PodDisruptionBudget", namespace=HOME):
        api.delete("PodDisruptionBudget", budget["metadata"]["name"], namespace=HOME)
    rig.kubectl("-n", HOME, "delete", "pods", "--all", "--force", "--grace-period=0")
    for name in ("n1", "n2", "cp9"):
        api.delete("Node", name)
        api.delete("ConfigMap", join_records.node_name(name), namespace=RECORDS)


def _account(api: Api) -> bool:
    return api.get("ServiceAccount", "default", namespace=HOME) is not None


def node(api: Api, name: str, *, is_ready: bool = True, label: str = "it") -> None:
    metadata = {"name": name, "labels": {label: ""}}
    api.create({"apiVersion": "v1", "kind": "Node", "metadata": metadata})
    ready = {"type": "Ready", "status": "True" if is_ready else "False", "reason": "KubeletSaysSo"}
    told = {
        "conditions": [ready],
        "addresses": [{"type": "InternalIP", "address": "10.9.0.2"}],
    }
    api.merge("Node", name, {"status": told}, status=True)


def joined(session: Session, name: str) -> str:
    """Have a node have joined by a token; return the token's id."""
    token, _ = tokens.create(session, node=None, ttl=timedelta(hours=1))
    record = NodeRecord(name, token.id, Role.WORKER, (ip_address("10.9.0.2"),))
    session.api.create(join_records.from_node(record))
    return token.id


pod = partial(pods.running, on="n1", namespace=HOME, labels=LABELS)


def budget(rig: Rig, api: Api) -> None:
    """Let none of the pods be evicted."""
    api.create(
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "all", "namespace": HOME},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": LABELS}},
        }
    )

    def is_counted() -> bool:
        found = api.get("PodDisruptionBudget", "all", namespace=HOME) or {}
        return bool(found.get("status", {}).get("currentHealthy") == 1)

    rig.until("the budget to be counted", is_counted)


def left(api: Api, on: str = "n1") -> set[str]:
    return {one["metadata"]["name"] for one in api.list("Pod", fields={"spec.nodeName": on})}


def test_nodes_with_one_machine_id_are_told(session: Session) -> None:
    """As copies of one disk have it; a node that has not told of its own is nobody's copy."""
    for name in ("n1", "n2", "cp9"):
        node(session.api, name)
    assert list(nodes.notices(session)) == []

    for name, number in (("n1", 1), ("n2", 1), ("cp9", 2)):
        told = {"nodeInfo": {"machineID": f"{number:032x}"}}
        session.api.merge("Node", name, {"status": told}, status=True)

    [notice] = nodes.notices(session)
    assert notice.startswith("nodes n1, n2 have one machine ID")
    assert "; on n2: " in notice

    session.api.merge("Node", "n2", {"metadata": {"labels": {CONTROL_PLANE: ""}}})
    [notice] = nodes.notices(session)
    assert "; on n1: " in notice


def test_nodes_are_listed_with_how_they_joined(session: Session) -> None:
    node(session.api, "cp9", label=CONTROL_PLANE)
    node(session.api, "n1", is_ready=False)
    by, later = joined(session, "n1"), joined(session, "n2")

    found = {one.name: one for one in nodes.listed(session)}

    cp9 = nodes.NodeStatus("cp9", Role.CONTROL_PLANE, None, ("10.9.0.2",), None)
    assert found["cp9"] == cp9
    assert found["n1"] == replace(
        cp9, name="n1", role=Role.WORKER, problem="KubeletSaysSo", token=by
    )
    assert found["n2"] == nodes.NodeStatus(
        "n2", Role.WORKER, "joined, not seen yet", ("10.9.0.2",), later
    )


def test_a_worker_is_emptied_and_forgotten(session: Session) -> None:
    node(session.api, "n1")
    node(session.api, "n2")
    by = joined(session, "n1")
    pod(session.api, "one")
    pod(session.api, "elsewhere", on="n2")
    said: list[str] = []

    assert nodes.remove(session, "n1", timeout_s=LONG_S, tell=said.append)

    assert said == [
        "node n1: takes no new pods",
        f"pod {HOME}/one: is ending",
        f"pod {HOME}/one: gone",
        "node n1: removed",
        "node n1: its name is free",
    ]
    assert session.api.get("Node", "n1") is None
    kept = session.api.get("ConfigMap", join_records.node_name("n1"), namespace=RECORDS)
    assert kept and join_records.to_node(kept).removed
    token = session.api.get("ConfigMap", join_records.token_name(by), namespace=RECORDS)
    assert token
    assert join_records.to_token(token).revoked
    assert left(session.api, "n2") == {"elsewhere"}
    assert not nodes.remove(session, "n1", timeout_s=LONG_S, tell=said.append)


def test_a_record_that_nobody_can_read_is_removed_with_its_node(session: Session) -> None:
    node(session.api, "n1")
    joined(session, "n1")
    name = join_records.node_name("n1")
    session.api.merge("ConfigMap", name, {"data": {"role": "x"}}, namespace=RECORDS)

    assert nodes.remove(session, "n1", timeout_s=LONG_S, tell=lambda _: None)

    assert session.api.get("ConfigMap", name, namespace=RECORDS) is None
    assert not nodes.remove(session, "n1", timeout_s=LONG_S, tell=lambda _: None)


def test_a_disruption_budget_is_respected_until_it_allows_it(rig: Rig, session: Session) -> None:
    node(session.api, "n1")
    pod(session.api, "one")
    budget(rig, session.api)

    with pytest.raises(WaitTimeout) as caught:
        nodes.remove(session, "n1", timeout_s=1.0, tell=lambda _: None)

    assert caught.value.exit_code == 4
    [word] = caught.value.last_words
    assert word.startswith(f"pod {HOME}/one: ")
    assert "disruption budget" in word
    kept = session.api.get("Node", "n1")
    assert kept
    assert kept["spec"]["unschedulable"]
    assert left(session.api) == {"one"}

    said: list[str] = []

    def tell(line: str) -> None:
        said.append(line)
        session.api.delete("PodDisruptionBudget", "all", namespace=HOME)

    nodes.remove(session, "n1", timeout_s=LONG_S, tell=tell)
    assert session.api.get("Node", "n1") is None
    assert said[1:3] == [f"pod {HOME}/one: is ending", f"pod {HOME}/one: gone"]


def test_pods_that_end_slowly_are_waited_for(session: Session) -> None:
    node(session.api, "n1")
    pod(session.api, "slow", grace_s=600)

    with pytest.raises(WaitTimeout) as caught:
        nodes.remove(session, "n1", timeout_s=1.0, tell=lambda _: None)

    assert caught.value.last_words == (f"pod {HOME}/slow: is ending",)


def test_a_node_that_is_gone_is_not_waited_for(session: Session) -> None:
    node(session.api, "n1", is_ready=False)
    pod(session.api, "slow", grace_s=600)

    nodes.remove(session, "n1", timeout_s=LONG_S, tell=lambda _: None)

    assert session.api.get("Node", "n1") is None


def test_what_comes_back_by_itself_is_passed_over(session: Session) -> None:
    node(session.api, "n1")
    pod(session.api, "mirror", annotations={"kubernetes.io/config.mirror": "0"})

    nodes.remove(session, "n1", timeout_s=LONG_S, tell=lambda _: None)

    assert left(session.api) == {"mirror"}


def test_a_control_plane_is_refused(session: Session) -> None:
    node(session.api, "cp9", label=CONTROL_PLANE)

    for name in ("cp9", node_name(session)):
        with pytest.raises(KubeceptionError, match=r"control.plane"):
            nodes.remove(session, name, timeout_s=LONG_S, tell=lambda _: None)

    found = session.api.get("Node", "cp9")
    assert found
    assert not found["spec"].get("unschedulable")


def test_a_removal_killed_at_every_step_is_finished_by_the_next(
    rig: Rig, session: Session, tmp_path: Path
) -> None:
    node(session.api, "n1")
    joined(session, "n1")
    pod(session.api, "one")
    session.hang_up()

    def once() -> None:
        with rig.session() as made:
            nodes.remove(made, "n1", timeout_s=LONG_S, tell=lambda _: None)

    killed = ratchet(once, log=tmp_path / "steps")

    assert session.api.get("Node", "n1") is None
    kept = session.api.get("ConfigMap", join_records.node_name("n1"), namespace=RECORDS)
    assert kept and join_records.to_node(kept).removed
    assert len(killed) == 4, json.dumps(killed)
