"""A worker's word of its network, as a real API keeps it: said again, and missed when it is not."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kubeception import conditions
from kubeception.keeper import actions
from kubeception.keeper.heartbeat import AGAIN_S, Heartbeat
from kubeception.keeper.trouble import Reason, Trouble
from kubeception.keeper.verdict import Action, Observation, Verdict
from kubeception.keeper.worker_observer import WorkerObserver
from kubeception.pki.token import Role
from kubeception.session import Session

NAME = "worker-9"
WELL = Observation(role=Role.WORKER)
QUIET = Verdict(Action.NOTHING, "all is well")
DNS = Trouble(Reason.DNS, "the cluster's DNS does not answer")


@pytest.fixture(autouse=True)
def node(session: Session) -> Iterator[None]:
    api = session.api
    metadata = {"name": NAME, "labels": {"kubernetes.io/hostname": NAME}}
    api.create({"apiVersion": "v1", "kind": "Node", "metadata": metadata})
    ready = {"type": "Ready", "status": "True", "reason": "KubeletSaysSo"}
    api.merge("Node", NAME, {"status": {"conditions": [ready]}}, status=True)
    yield
    api.delete("Node", NAME)


class Tried(WorkerObserver):
    """One that has tried the network so often."""

    def __init__(self, count: int = 1) -> None:
        self.count = count

    def looks(self) -> int:
        return self.count


class Passing:
    """Seconds that have passed."""

    passed_s = 0.0

    def of(self, session: Session) -> Session:
        clock = replace(
            session.host.clock,
            now=lambda: datetime.now(UTC) + timedelta(seconds=self.passed_s),
            monotonic=lambda: self.passed_s,
        )
        return replace(session, host=replace(session.host, clock=clock))


def problem(session: Session, *, after_s: float = 0.0) -> str | None:
    """Return what is told on another host, so much later."""
    passing = Passing()
    passing.passed_s = after_s
    return conditions.networks_work(conditions.ready_nodes()).problem(passing.of(session))


def said(session: Session) -> dict[str, Any]:
    found = session.api.get("Node", NAME) or {}
    kinds = {one["type"]: one for one in found["status"]["conditions"]}
    told: dict[str, Any] = kinds.get(conditions.NETWORK_PROBLEM, {})
    return told


def test_who_is_not_heard_any_more_is_named(session: Session) -> None:
    assert problem(session, after_s=10_000) is None, "an earlier version's says nothing"
    actions.tell_of_the_network(session, NAME, None)

    assert problem(session) is None
    assert problem(session, after_s=290) is None
    told = problem(session, after_s=310)
    assert told and told.startswith(f"{NAME}: its keeper has said nothing since 20")
    assert told.endswith("Z (there: systemctl status kubeception-keeper)")


def test_what_it_has_said_last_is_told_as_such(session: Session) -> None:
    actions.tell_of_the_network(session, NAME, DNS)

    assert problem(session) == f"{NAME}: {DNS}"
    told = problem(session, after_s=310)
    assert told and told.startswith(f"{NAME}: {DNS}; its keeper has said nothing since 20")


def test_of_a_host_that_was_off_nothing_was_to_be_heard(session: Session) -> None:
    actions.tell_of_the_network(session, NAME, None)
    back = (datetime.now(UTC) + timedelta(seconds=200)).strftime("%Y-%m-%dT%H:%M:%SZ")
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": back}
    session.api.merge("Node", NAME, {"status": {"conditions": [ready]}}, status=True)

    assert problem(session, after_s=310) is None
    assert problem(session, after_s=510)


def test_it_is_said_again_after_another_look_in_time(session: Session) -> None:
    passing, watch = Passing(), Tried()
    beat = Heartbeat(passing.of(session), NAME, watch)
    heard = []
    for passed_s, looks in [(5, 1), (AGAIN_S, 1), (60, 5), (150, 9), (280, 9), (290, 10)]:
        passing.passed_s, watch.count = passed_s, looks
        beat.look(WELL, QUIET)
        heard.append(said(session).get("lastHeartbeatTime"))

    assert heard[0] is None
    first, second, third = heard[1], heard[3], heard[5]
    assert heard == [None, first, first, second, second, third]
    assert str(first) < str(second) < str(third)
    assert said(session)["message"] == conditions.TRIED
    assert said(session)["lastTransitionTime"] == first, "since then it is so"


@pytest.mark.parametrize(
    "seen",
    [
        replace(WELL, trouble=DNS),
        replace(WELL, told_trouble=Reason.DNS),
        replace(WELL, api_problem="refused"),
        replace(WELL, node_problem="Node b1 is gone", is_gone=True),
    ],
)
def test_a_change_is_told_by_others_and_nobody_is_told_where_none_listens(
    session: Session, seen: Observation
) -> None:
    passing = Passing()
    beat = Heartbeat(passing.of(session), NAME, Tried())
    passing.passed_s = 1_000

    beat.look(seen, QUIET)

    assert said(session) == {}
