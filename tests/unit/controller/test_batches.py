"""Nodes in batches: what comes next, in every state; and whole runs, however they go."""

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from kubeception.controller.batches import (
    AT_HAND,
    MOST_FETCHES,
    Change,
    NodeProgress,
    Run,
    SeenNode,
    State,
    Verb,
    step,
)
from kubeception.render.cluster_upgrade import Phase
from kubeception.render.window import Window

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DRAIN, STEP = timedelta(minutes=5), timedelta(minutes=15)
RUN = Run("r", batch=2, drain=DRAIN, step=STEP, phase=Phase.RUNNING)
OPEN = SeenNode("b1")
CLOSED = replace(OPEN, is_cordoned=True, is_ours=True)
ASKED = replace(CLOSED, asked="b1")
BACK = replace(ASKED, boot="b2")


def at(state: State, *, for_: timedelta = timedelta(0), **more: str) -> NodeProgress:
    boot = {"boot": "b1"} if state is State.REBOOTING else {}
    return NodeProgress("w1", state, since=NOW - for_, **{**boot, **more})


def judged(node: NodeProgress, seen: SeenNode | None, **run: object) -> tuple[State, Verb | None]:
    """Return a node's next state and what to do, where it is the only one of its batch."""
    after, changes = step(replace(RUN, nodes=(node,), **run), {"w1": seen}, NOW)  # type: ignore[arg-type]
    [progress] = after.nodes
    assert len(changes) <= 1
    return progress.state, changes[0].verb if changes else None


DRAINING = {
    "one that takes pods is cordoned": (OPEN, {}, State.DRAINING, Verb.CORDON),
    "one that is closed is looked at": (CLOSED, {}, State.DRAINING, None),
    "its pods are evicted": (
        replace(CLOSED, pods=("a/b",)),
        {},
        State.DRAINING,
        Verb.EVICT,
    ),
    "an empty one is to reboot": (replace(CLOSED, pods=()), {}, State.REBOOTING, None),
    "whoever cordoned it": (
        replace(CLOSED, pods=(), is_ours=False),
        {},
        State.REBOOTING,
        None,
    ),
    "a run that is aborted lets it go": (CLOSED, {"is_aborted": True}, State.DRAINING, Verb.LET_GO),
    "and has then": (OPEN, {"is_aborted": True}, State.RELEASED, None),
    "as a person had it": (
        replace(CLOSED, is_ours=False),
        {"is_aborted": True},
        State.RELEASED,
        None,
    ),
    "a pause leaves it alone": (
        replace(CLOSED, pods=()),
        {"is_paused": True},
        State.REBOOTING,
        None,
    ),
    "one that is gone has failed": (None, {}, State.FAILED, None),
}


@pytest.mark.parametrize(("seen", "run", "state", "verb"), DRAINING.values(), ids=DRAINING.keys())
def test_a_node_is_emptied(
    seen: SeenNode | None, run: dict[str, object], state: State, verb: Verb | None
) -> None:
    assert judged(at(State.DRAINING), seen, **run) == (state, verb)


LATE = {
    "it is let go": (replace(CLOSED, pods=("a/b",)), {}, State.DRAINING, Verb.LET_GO),
    "and has failed then": (OPEN, {}, State.FAILED, None),
    "one that is empty by now is not": (replace(CLOSED, pods=()), {}, State.REBOOTING, None),
    "force deletes what is left": (
        replace(CLOSED, pods=("a/b",)),
        {"is_forced": True},
        State.DRAINING,
        Verb.DELETE,
    ),
}


@pytest.mark.parametrize(("seen", "run", "state", "verb"), LATE.values(), ids=LATE.keys())
def test_one_whose_pods_stay_too_long(
    seen: SeenNode, run: dict[str, object], state: State, verb: Verb | None
) -> None:
    assert judged(at(State.DRAINING, for_=DRAIN), seen, **run) == (state, verb)


def test_force_has_its_end_too() -> None:
    seen = replace(CLOSED, pods=("a/b",))

    long = at(State.DRAINING, for_=DRAIN + STEP)
    assert judged(long, seen, is_forced=True) == (State.DRAINING, Verb.LET_GO)


REBOOTING = {
    "its host is asked": (CLOSED, {}, State.REBOOTING, Verb.ASK),
    "once": (ASKED, {}, State.REBOOTING, None),
    "by the boot that is to end, and no other": (
        replace(CLOSED, asked="b0"),
        {},
        State.REBOOTING,
        Verb.ASK,
    ),
    "one that comes back is waited for": (
        replace(BACK, is_ready=False),
        {},
        State.REBOOTING,
        None,
    ),
    "never asked again": (
        replace(CLOSED, boot="b2", is_ready=False),
        {},
        State.REBOOTING,
        None,
    ),
    "one that is down is waited for": (replace(ASKED, is_ready=False), {}, State.REBOOTING, None),
    "one that is back is let go": (BACK, {}, State.REBOOTING, Verb.LET_GO),
    "and is done then": (replace(OPEN, boot="b2"), {}, State.DONE, None),
    "one that a person had cordoned stays so": (
        replace(OPEN, boot="b2", is_cordoned=True),
        {},
        State.DONE,
        None,
    ),
    "an abort waits for one that was asked": (ASKED, {"is_aborted": True}, State.REBOOTING, None),
    "and lets one go that was not": (
        CLOSED,
        {"is_aborted": True},
        State.REBOOTING,
        Verb.LET_GO,
    ),
    "one that is gone has failed": (None, {}, State.FAILED, None),
}


@pytest.mark.parametrize(("seen", "run", "state", "verb"), REBOOTING.values(), ids=REBOOTING.keys())
def test_a_host_reboots(
    seen: SeenNode | None, run: dict[str, object], state: State, verb: Verb | None
) -> None:
    assert judged(at(State.REBOOTING), seen, **run) == (state, verb)


UPGRADE: dict[str, Any] = {"identity": "u", "release": "new", "steps": (State.UPGRADING,)}
TOLD = replace(CLOSED, asked="u/new")
DONE = replace(TOLD, answers=("u/new",))
BROKEN = replace(TOLD, answers=("u/new: error: no room",))
UPGRADING = {
    "its host is asked": (CLOSED, {}, State.UPGRADING, Verb.ASK),
    "once": (TOLD, {}, State.UPGRADING, None),
    "for this release by this upgrade": (
        replace(CLOSED, asked="t/new"),
        {},
        State.UPGRADING,
        Verb.ASK,
    ),
    "what it has said to others is no answer": (
        replace(TOLD, answers=("t/new",)),
        {},
        State.UPGRADING,
        None,
    ),
    "one that has done it is let go": (DONE, {}, State.UPGRADING, Verb.LET_GO),
    "and is done then": (replace(OPEN, answers=("u/new",)), {}, State.DONE, None),
    "not before it is Ready": (replace(DONE, is_ready=False), {}, State.UPGRADING, None),
    "one that could not is asked no more": (BROKEN, {}, State.UPGRADING, Verb.WITHDRAW),
    "and has failed then": (replace(BROKEN, asked=""), {}, State.FAILED, None),
    "after an abort, too": (replace(BROKEN, asked=""), {"is_aborted": True}, State.FAILED, None),
    "an abort waits for one that was asked": (TOLD, {"is_aborted": True}, State.UPGRADING, None),
    "and lets one go that was not": (CLOSED, {"is_aborted": True}, State.UPGRADING, Verb.LET_GO),
    "a reboot meanwhile is nothing": (replace(TOLD, boot="b2"), {}, State.UPGRADING, None),
}


@pytest.mark.parametrize(("seen", "run", "state", "verb"), UPGRADING.values(), ids=UPGRADING.keys())
def test_a_host_goes_to_another_release(
    seen: SeenNode | None, run: dict[str, object], state: State, verb: Verb | None
) -> None:
    assert judged(at(State.UPGRADING), seen, **UPGRADE, **run) == (state, verb)


def test_one_that_does_not_get_there_in_time_is_asked_no_more_and_stays_cordoned() -> None:
    late = at(State.UPGRADING, for_=STEP)

    assert judged(late, TOLD, **UPGRADE) == (State.UPGRADING, Verb.WITHDRAW)
    assert judged(late, CLOSED, **UPGRADE) == (State.FAILED, None)
    assert judged(late, DONE, **UPGRADE) == (State.UPGRADING, Verb.LET_GO)


RUNS: dict[str, Any] = {"identity": "u", "command": "new", "steps": (State.RUNNING,)}
RUNS_AND_REBOOTS = {**RUNS, "steps": (State.RUNNING, State.REBOOTING)}
RUNNING = {
    "its host is asked": (CLOSED, {}, State.RUNNING, Verb.ASK),
    "once": (TOLD, {}, State.RUNNING, None),
    "one that has done it is let go": (DONE, {}, State.RUNNING, Verb.LET_GO),
    "and is done then": (replace(OPEN, answers=("u/new",)), {}, State.DONE, None),
    "not before it is Ready": (replace(DONE, is_ready=False), {}, State.RUNNING, None),
    "what it has said of a release is none of it": (
        replace(TOLD, answers=("u/other", "t/new: error: no room")),
        {},
        State.RUNNING,
        None,
    ),
    "beside which its answer is found": (
        replace(TOLD, answers=("t/new: error: no room", "u/new")),
        {},
        State.RUNNING,
        Verb.LET_GO,
    ),
    "one that could not is asked no more": (BROKEN, {}, State.RUNNING, Verb.WITHDRAW),
    "an abort waits for one that was asked": (TOLD, {"is_aborted": True}, State.RUNNING, None),
    "which is done then": (
        replace(OPEN, answers=("u/new",)),
        {"is_aborted": True},
        State.DONE,
        None,
    ),
}
AND_REBOOTS = {
    "its host is asked to run it first": (CLOSED, {}, State.RUNNING, Verb.ASK),
    "one that has run it is to reboot": (DONE, {}, State.REBOOTING, None),
    "be it Ready or not": (replace(DONE, is_ready=False), {}, State.REBOOTING, None),
    "not one that could not": (BROKEN, {}, State.RUNNING, Verb.WITHDRAW),
    "an abort comes before the reboot": (DONE, {"is_aborted": True}, State.RUNNING, Verb.LET_GO),
    "and lets it go": (
        replace(OPEN, answers=("u/new",)),
        {"is_aborted": True},
        State.RELEASED,
        None,
    ),
}


@pytest.mark.parametrize(("seen", "run", "state", "verb"), RUNNING.values(), ids=RUNNING.keys())
def test_a_host_runs_a_program(
    seen: SeenNode | None, run: dict[str, object], state: State, verb: Verb | None
) -> None:
    assert judged(at(State.RUNNING), seen, **RUNS, **run) == (state, verb)


@pytest.mark.parametrize(
    ("seen", "run", "state", "verb"), AND_REBOOTS.values(), ids=AND_REBOOTS.keys()
)
def test_and_may_reboot_then(
    seen: SeenNode | None, run: dict[str, object], state: State, verb: Verb | None
) -> None:
    assert judged(at(State.RUNNING), seen, **RUNS_AND_REBOOTS, **run) == (state, verb)


def test_the_boot_that_is_to_end_is_the_one_in_which_it_was_run() -> None:
    run = replace(run_of(), **RUNS_AND_REBOOTS, nodes=(at(State.RUNNING, boot="b0"),))
    after, _ = step(run, {"w1": DONE}, NOW)

    assert after.nodes[0].boot == "b1"


FETCH: dict[str, Any] = {**UPGRADE, "has_source": True}
HAS = ("old", "new")
SENT = replace(OPEN, fetches="u/new", bundles=("old",))
IN_VAIN = replace(SENT, fetched="u/new: error: 404")
FETCHING = {
    "its host is asked": (OPEN, {}, State.FETCHING, Verb.ASK),
    "once": (SENT, {}, State.FETCHING, None),
    "by this upgrade": (replace(SENT, fetches="t/new"), {}, State.FETCHING, Verb.ASK),
    "being asked for the release is another thing": (
        replace(SENT, fetches="", asked="u/new"),
        {},
        State.FETCHING,
        Verb.ASK,
    ),
    "one that says it has it is waited for, until it has": (
        replace(SENT, fetched="u/new"),
        {},
        State.FETCHING,
        None,
    ),
    "one that has it is asked no more": (
        replace(SENT, bundles=HAS),
        {},
        State.FETCHING,
        Verb.WITHDRAW,
    ),
    "and waits for its turn then": (replace(OPEN, bundles=HAS), {}, State.WAITING, None),
    "as a person had it": (replace(CLOSED, bundles=HAS), {}, State.WAITING, None),
    "one that could not is asked no more": (IN_VAIN, {}, State.FETCHING, Verb.WITHDRAW),
    "and has failed then": (replace(IN_VAIN, fetches=""), {}, State.FAILED, None),
    "what it has said to others is no answer": (
        replace(IN_VAIN, fetched="t/new: error: 404"),
        {},
        State.FETCHING,
        None,
    ),
    "an abort asks it no more": (SENT, {"is_aborted": True}, State.FETCHING, Verb.WITHDRAW),
    "and lets it be": (CLOSED, {"is_aborted": True}, State.RELEASED, None),
    "a pause does not stop it": (OPEN, {"is_paused": True}, State.FETCHING, Verb.ASK),
    "one that is gone has failed": (None, {}, State.FAILED, None),
}


@pytest.mark.parametrize(("seen", "run", "state", "verb"), FETCHING.values(), ids=FETCHING.keys())
def test_a_host_gets_the_bundle(
    seen: SeenNode | None, run: dict[str, object], state: State, verb: Verb | None
) -> None:
    assert judged(at(State.FETCHING), seen, **FETCH, **run) == (state, verb)


def test_one_that_does_not_get_it_in_time_is_asked_no_more_and_takes_pods_as_before() -> None:
    late = at(State.FETCHING, for_=STEP)

    assert judged(late, SENT, **FETCH) == (State.FETCHING, Verb.WITHDRAW)
    assert judged(late, replace(SENT, bundles=HAS), **FETCH) == (State.FETCHING, Verb.WITHDRAW)
    run = replace(run_of(), **FETCH, nodes=(late,))
    after, _ = step(run, {"w1": OPEN}, NOW)
    assert (after.nodes[0].state, after.nodes[0].message) == (
        State.FAILED,
        "has no bundle new after 900 s; takes pods as before",
    )
    # What it says once it has failed changes nothing.
    said, changes = step(run, {"w1": SENT}, NOW)
    assert changes == (Change(Verb.WITHDRAW, "w1"),)
    after, _ = step(said, {"w1": replace(OPEN, bundles=HAS)}, NOW)
    assert after.nodes[0].state is State.FAILED


def fetching(run: Run, **seen: SeenNode | None) -> list[State]:
    """Return what each node is at after a step in which hosts may be asked to fetch."""
    everybody = {node.name: replace(OPEN, bundles=HAS) for node in run.nodes}
    after, changes = step(run, {**everybody, **seen}, NOW)
    assert changes == ()
    return [node.state for node in after.nodes]


def test_who_lacks_the_bundle_gets_it_before_anything_begins() -> None:
    run = run_of(*WAITING, **FETCH)

    assert fetching(run, w2=OPEN, w4=OPEN) == [
        *(State.WAITING, State.FETCHING),
        *(State.WAITING, State.FETCHING),
    ]
    assert fetching(run) == [State.DRAINING, State.DRAINING, State.WAITING, State.WAITING]
    assert fetching(replace(run, has_source=False), w2=OPEN)[0] is State.DRAINING
    assert fetching(replace(run, is_paused=True), w2=OPEN) == [*WAITING]
    assert fetching(replace(run, window=CLOSED_NOW), w2=OPEN) == [*WAITING]
    assert fetching(replace(run, is_aborted=True), w2=OPEN) == [*WAITING]


def test_so_many_at_a_time() -> None:
    run = run_of(*[State.WAITING] * 25, **FETCH)
    states = fetching(run, **{node.name: OPEN for node in run.nodes})

    assert Counter(states) == {State.FETCHING: 10, State.WAITING: 15}


def test_one_that_fails_leaves_everything_as_it_was() -> None:
    run = run_of(State.WAITING, State.FAILED, State.WAITING, **FETCH)

    after, changes = step(run, {}, NOW)
    assert (after.phase, after.nodes, changes) == (Phase.FAILED, run.nodes, ())


def test_nobody_fetches_once_a_batch_has_begun() -> None:
    run = run_of(State.DONE, State.WAITING, State.WAITING, **FETCH)

    assert fetching(run, w2=OPEN) == [State.DONE, State.FAILED, State.WAITING]


@pytest.mark.parametrize("at_all", [replace(OPEN, is_ready=False), None], ids=["off", "gone"])
def test_one_that_is_off_is_passed_over_or_stops_it_before_anybody_is_asked(
    at_all: SeenNode | None,
) -> None:
    run = run_of(*WAITING, **FETCH)

    assert fetching(run, w1=OPEN, w2=at_all) == [
        *(State.WAITING, State.FAILED),
        *(State.WAITING, State.WAITING),
    ]
    skips = replace(run, skips_offline=True)
    assert fetching(skips, w1=OPEN, w2=at_all)[1] is State.SKIPPED
    passed_over = replace(skips, nodes=run_of(State.WAITING, State.SKIPPED).nodes)
    assert fetching(passed_over, w1=OPEN) == [State.FETCHING, State.SKIPPED]
    plane = replace(OPEN, is_ready=False, is_control_plane=True)
    assert fetching(skips, w2=plane)[1] is State.FAILED


@pytest.mark.parametrize(
    ("seen", "run", "state", "verb"),
    [
        (DONE, {}, State.REBOOTING, Verb.ASK),
        (DONE, {"is_aborted": True}, State.REBOOTING, Verb.LET_GO),
        (ASKED, {"is_aborted": True}, State.REBOOTING, None),
    ],
    ids=["is asked", "or let go where it is aborted", "and waited for once asked"],
)
def test_who_has_run_it_is_not_asked_to_reboot_by_what_he_was_asked_before(
    seen: SeenNode, run: dict[str, object], state: State, verb: Verb | None
) -> None:
    assert judged(at(State.REBOOTING), seen, **RUNS_AND_REBOOTS, **run) == (state, verb)


KINDS: dict[str, dict[str, Any]] = {
    "reboot": {},
    "release": UPGRADE,
    "command": RUNS,
    "command and reboot": RUNS_AND_REBOOTS,
    "release from a server": FETCH,
}


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("reboot", State.REBOOTING),
        ("release", State.UPGRADING),
        ("command", State.RUNNING),
        ("command and reboot", State.RUNNING),
        ("command and reboot", State.REBOOTING),
    ],
)
@pytest.mark.parametrize("aborted", [False, True])
def test_one_that_is_late_has_failed_also_where_it_is_aborted(
    kind: str, state: State, aborted: bool
) -> None:
    """Once asked, a host may have done half of it."""
    late = at(state, for_=STEP, boot="b1")
    run = replace(run_of(), **KINDS[kind], is_aborted=aborted, nodes=(late,))
    asked = replace(CLOSED, asked="b1" if state is State.REBOOTING else "u/new")

    first, changes = step(run, {"w1": asked}, NOW)
    assert [change.verb for change in changes] == [Verb.WITHDRAW]
    last, _ = step(first, {"w1": CLOSED}, NOW)
    assert last.nodes[0].state is State.FAILED
    assert last.nodes[0].message.endswith("after 900 s; takes no new pods")


def test_an_abort_that_lets_go_of_the_last_ones_is_no_success() -> None:
    run = run_of(State.DONE, State.RELEASED, is_aborted=True)

    assert step(run, {}, NOW)[0].phase is Phase.ABORTED


def test_a_control_plane_is_never_passed_over_on_the_way_to_a_release() -> None:
    off = replace(OPEN, is_ready=False, bundles=("new",))
    run = run_of(State.WAITING, **UPGRADE, skips_offline=True)

    assert step(run, {"w1": off}, NOW)[0].nodes[0].state is State.SKIPPED
    plane = replace(off, is_control_plane=True)
    assert step(run, {"w1": plane}, NOW)[0].nodes[0].state is State.FAILED
    without = replace(OPEN, bundles=())
    assert step(run, {"w1": without}, NOW)[0].nodes[0].state is State.FAILED


def test_why_a_host_could_not_is_said() -> None:
    run = replace(run_of(), **UPGRADE, nodes=(at(State.UPGRADING),))
    after, _ = step(run, {"w1": replace(BROKEN, asked="")}, NOW)

    assert after.nodes[0].message == "error: no room; takes no new pods"


def test_pods_stay_where_that_is_wanted() -> None:
    keeps = {**UPGRADE, "keeps_pods": True}

    full = replace(OPEN, pods=("a/b",))
    assert judged(at(State.DRAINING), full, **keeps) == (State.UPGRADING, None)
    assert judged(at(State.UPGRADING), OPEN, **keeps) == (State.UPGRADING, Verb.ASK)
    done = replace(OPEN, asked="u/new", answers=("u/new",))
    assert judged(at(State.UPGRADING), done, **keeps) == (State.UPGRADING, Verb.LET_GO)


def test_nothing_is_begun_on_a_host_that_lacks_the_release() -> None:
    there = replace(OPEN, bundles=("old", "new"))
    run = run_of(*WAITING, **UPGRADE)
    assert begun(run, w1=there) == ["w1"]

    after, _ = step(run, {"w1": OPEN, "w2": there}, NOW)
    assert [one.state for one in after.nodes] == [State.FAILED, *WAITING[1:]]
    assert after.nodes[0].message == "has no bundle new"


def test_one_that_does_not_reboot_in_time_is_asked_no_more_and_stays_cordoned() -> None:
    late = at(State.REBOOTING, for_=STEP)

    assert judged(late, ASKED) == (State.REBOOTING, Verb.WITHDRAW)
    assert judged(late, CLOSED) == (State.FAILED, None)
    assert judged(late, replace(BACK, asked="", is_ready=False)) == (State.FAILED, None)
    assert judged(late, BACK) == (State.REBOOTING, Verb.LET_GO)


UNREACHED = "PodNetworkUnreachable"


@pytest.mark.parametrize(
    ("state", "seen", "run", "said"),
    [
        (State.REBOOTING, BACK, {}, f"has rebooted; its network does not work: {UNREACHED}"),
        (
            State.UPGRADING,
            DONE,
            UPGRADE,
            f"runs the release; its network does not work: {UNREACHED}",
        ),
        (State.RUNNING, DONE, RUNS, f"has run it; its network does not work: {UNREACHED}"),
    ],
)
def test_a_node_whose_network_does_not_work_is_waited_for(
    state: State, seen: SeenNode, run: dict[str, Any], said: str
) -> None:
    broken = replace(seen, network_problem=UNREACHED)
    [node] = step(replace(RUN, nodes=(at(state),), **run), {"w1": broken}, NOW)[0].nodes
    [late] = step(replace(RUN, nodes=(at(state, for_=STEP),), **run), {"w1": broken}, NOW)[0].nodes

    assert (node.state, node.message) == (state, said)
    assert (
        f"its network does not work: {UNREACHED}"
        in step(replace(RUN, nodes=(replace(node, since=NOW - STEP),), **run), {"w1": broken}, NOW)[
            0
        ]
        .nodes[0]
        .message
    )
    assert late.message.endswith("; takes no new pods")


CANARY: dict[str, Any] = {"canary": "w1", "proves": STEP}
PROVING = {
    "it has its time": (OPEN, {}, timedelta(0), State.PROVING),
    "all of it": (OPEN, {}, STEP - timedelta(seconds=1), State.PROVING),
    "and no more": (OPEN, {}, STEP, State.DONE),
    "a person may cordon it": (replace(OPEN, is_cordoned=True), {}, timedelta(0), State.PROVING),
    "it stays Ready": (replace(OPEN, is_ready=False), {}, timedelta(0), State.FAILED),
    "its network works": (
        replace(OPEN, network_problem=UNREACHED),
        {},
        timedelta(0),
        State.FAILED,
    ),
    "it runs short of nothing": (
        replace(OPEN, pressures=("DiskPressure",)),
        {},
        timedelta(0),
        State.FAILED,
    ),
    "at the end of its time, too": (replace(OPEN, is_ready=False), {}, STEP, State.FAILED),
    "a pause is for the others": (OPEN, {"is_paused": True}, timedelta(0), State.PROVING),
    "an abort does not wait for it": (OPEN, {"is_aborted": True}, timedelta(0), State.DONE),
    "nor who names none any more": (OPEN, {"canary": ""}, timedelta(0), State.DONE),
    "one that is gone has failed": (None, {}, timedelta(0), State.FAILED),
}


@pytest.mark.parametrize(("seen", "run", "for_", "state"), PROVING.values(), ids=PROVING.keys())
def test_a_canary_proves_itself(
    seen: SeenNode | None, run: dict[str, Any], for_: timedelta, state: State
) -> None:
    assert judged(at(State.PROVING, for_=for_), seen, **{**CANARY, **run}) == (state, None)


@pytest.mark.parametrize("state", [State.REBOOTING, State.UPGRADING])
def test_it_begins_to_once_nothing_is_left_on_its_node(state: State) -> None:
    run = CANARY | (UPGRADE if state is State.UPGRADING else {})
    seen, free = (replace(one, answers=("u/new",)) for one in (BACK, replace(OPEN, boot="b2")))

    assert judged(at(state), seen, **run) == (state, Verb.LET_GO)
    assert judged(at(state), free, **run) == (State.PROVING, None)
    assert judged(at(state), free, **run, is_aborted=True) == (State.DONE, None)


def run_of(*states: State, **more: object) -> Run:
    nodes = (NodeProgress(f"w{n}", state, since=NOW) for n, state in enumerate(states, 1))
    return replace(RUN, nodes=tuple(nodes), **more)  # type: ignore[arg-type]


def begun(run: Run, **seen: SeenNode) -> list[str]:
    """Return the nodes that the next step begins with."""
    everybody = {node.name: OPEN for node in run.nodes}
    after, changes = step(run, {**everybody, **seen}, NOW)
    assert changes == ()
    return [node.name for node in after.at_hand]


WAITING = (State.WAITING,) * 4


def test_a_batch_is_cordoned_before_the_first_pod_goes() -> None:
    run = run_of(State.DRAINING, State.DRAINING)
    closed = replace(CLOSED, pods=("a/b",))

    assert step(run, {"w1": closed, "w2": OPEN}, NOW)[1] == (Change(Verb.CORDON, "w2"),)
    assert step(run, {"w1": closed, "w2": closed}, NOW)[1] == (
        Change(Verb.EVICT, "w1"),
        Change(Verb.EVICT, "w2"),
    )


def test_a_batch_has_so_many_nodes() -> None:
    assert begun(run_of(*WAITING)) == ["w1", "w2"]
    assert begun(run_of(State.DONE, State.SKIPPED, *WAITING)) == ["w3", "w4"]
    assert begun(run_of(*WAITING, batch=9)) == ["w1", "w2", "w3", "w4"]


@pytest.mark.parametrize(("batch", "size"), [("1%", 1), ("25%", 1), ("50%", 2), ("100%", 4)])
def test_or_such_a_part_of_them(batch: str, size: int) -> None:
    assert len(begun(run_of(*WAITING, batch=batch))) == size


def test_a_host_of_the_control_plane_goes_by_itself() -> None:
    plane = replace(OPEN, is_control_plane=True)

    assert begun(run_of(*WAITING), w2=plane) == ["w1"]
    assert begun(run_of(State.DONE, *WAITING), w2=plane, w3=plane) == ["w2"]


def test_a_canary_goes_first_of_the_workers_and_by_itself() -> None:
    plane, run = replace(OPEN, is_control_plane=True), run_of(*WAITING, canary="w3")

    assert begun(run) == ["w3"]
    assert begun(run, w1=plane) == ["w1"], "to a later release"
    assert begun(run_of(State.DONE, *WAITING, canary="w3"), w1=plane) == ["w3"]
    assert begun(run, w4=plane) == ["w3"]
    assert begun(run_of(*WAITING[:2], State.DONE, *WAITING, canary="w3")) == ["w1", "w2"]


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (None, "there is no such node"),
        (replace(OPEN, is_ready=False), "is not Ready"),
        (replace(OPEN, is_control_plane=True), "is a control-plane host, and no worker"),
        (replace(OPEN, is_cordoned=True), "is cordoned, so no pods would try it"),
    ],
)
def test_one_that_can_be_none_stops_it_before_the_first_batch(
    seen: SeenNode | None, said: str
) -> None:
    run = run_of(*WAITING, canary="w3", skips_offline=True)
    after, changes = step(run, {"w1": OPEN, "w2": OPEN, "w3": seen, "w4": OPEN}, NOW)

    assert changes == ()
    assert [one.name for one in after.nodes if one.state is not State.WAITING] == ["w3"]
    assert (after.nodes[2].state, after.nodes[2].message) == (State.FAILED, said)
    assert step(after, {}, NOW)[0].phase is Phase.FAILED


OFF = replace(OPEN, is_ready=False)


def test_one_that_is_off_is_passed_over_where_that_is_wanted() -> None:
    run = run_of(*WAITING, skips_offline=True)
    after, _ = step(run, {"w1": OFF, "w2": OPEN, "w3": OPEN}, NOW)

    assert [one.state for one in after.nodes] == [
        *(State.SKIPPED, State.DRAINING, State.DRAINING),
        State.WAITING,
    ]


def test_or_stops_it_when_its_turn_has_come() -> None:
    run = run_of(*WAITING)
    assert begun(run, w2=OFF) == ["w1"]

    after, _ = step(run, {"w1": OFF, "w2": OPEN}, NOW)
    assert [one.state for one in after.nodes] == [State.FAILED, *WAITING[1:]]
    assert step(after, {}, NOW)[0].phase is Phase.FAILED


ENDS = {
    Phase.SUCCEEDED: ((State.DONE, State.SKIPPED), {"is_aborted": True}),
    Phase.FAILED: ((State.DONE, State.FAILED, State.WAITING), {}),
    Phase.ABORTED: ((State.DONE, State.WAITING), {"is_aborted": True, "is_paused": True}),
    Phase.PAUSED: ((State.DONE, State.WAITING), {"is_paused": True}),
}


@pytest.mark.parametrize("phase", ENDS)
def test_between_batches_it_may_end(phase: Phase) -> None:
    states, more = ENDS[phase]
    after, changes = step(run_of(*states, **more), {}, NOW)

    assert (after.phase, changes) == (phase, ())


# It is Sunday at noon.
CLOSED_NOW = Window(time(22), time(4))
OPEN_NOW = Window(time(12), time(13), days=("Sun",))
NOWHERE = Window(time(0), time(0), "Europe/Nowhere")


def test_a_batch_begins_within_its_window() -> None:
    assert begun(run_of(*WAITING, window=OPEN_NOW)) == ["w1", "w2"]


@pytest.mark.parametrize("window", [CLOSED_NOW, NOWHERE])
def test_and_not_outside_of_it(window: Window) -> None:
    """The first one as any other: nobody has seen a node then."""
    for states in (WAITING, (State.DONE, *WAITING)):
        run = run_of(*states, window=window)
        after, changes = step(run, {}, NOW)

        assert changes == ()
        assert (after.phase, after.nodes) == (Phase.PENDING, run.nodes)


@pytest.mark.parametrize("window", [CLOSED_NOW, NOWHERE])
def test_one_that_is_at_hand_is_finished_outside_of_it(window: Window) -> None:
    empty = replace(CLOSED, pods=())

    assert judged(at(State.DRAINING), OPEN, window=window) == (State.DRAINING, Verb.CORDON)
    assert judged(at(State.DRAINING), empty, window=window) == (State.REBOOTING, None)
    assert judged(at(State.REBOOTING), CLOSED, window=window) == (State.REBOOTING, Verb.ASK)
    assert judged(at(State.REBOOTING), BACK, window=window) == (State.REBOOTING, Verb.LET_GO)


@pytest.mark.parametrize("phase", ENDS)
def test_an_end_and_a_pause_wait_for_no_window(phase: Phase) -> None:
    states, more = ENDS[phase]

    assert step(run_of(*states, **more, window=CLOSED_NOW), {}, NOW)[0].phase is phase


@pytest.mark.timeout(300)  # a quarter of a minute of pure computing, on a quiet machine
def test_every_state_and_sight_has_an_answer_that_comes_to_an_end() -> None:
    """No combination raises, changes two things of a node at once, or has a node go back."""
    order = list(State)
    for node, seen, run in everything():
        after, changes = step(replace(run, nodes=(node,)), {"w1": seen}, NOW)
        [progress] = after.nodes
        moved = progress.state is not node.state

        assert not (moved and changes), (node, seen, run)
        assert order.index(progress.state) >= order.index(node.state)
        for change in changes:
            assert seen is not None
            if change.verb is Verb.ASK and node.state is State.REBOOTING:
                assert seen.boot == node.boot, "another boot than the one that is to end"
            if change.verb in {Verb.EVICT, Verb.DELETE}:
                assert seen.is_cordoned
                assert seen.pods
                assert not run.keeps_pods
        if progress.state in {State.DONE, State.RELEASED} and seen and moved:
            # Who is cordoned before anything has begun is so for another one.
            assert not seen.is_ours or node.state is State.FETCHING
            assert not seen.is_asked
        if node.state is State.FETCHING:
            assert {change.verb for change in changes} <= {Verb.ASK, Verb.WITHDRAW}


_SAID: tuple[dict[str, Any], ...] = (
    *({"asked": asked} for asked in ("", "b0", "b1", "u/new")),
    {"asked": "b1", "answers": ("u/new",)},
    {"asked": "u/new", "answers": ("u/new",)},
    {"answers": ("u/new",)},
    {"asked": "u/new", "answers": ("u/new: it broke",)},
    {"fetches": "u/new"},
    {"fetches": "u/new", "fetched": "u/new", "bundles": HAS},
    {"fetches": "u/new", "fetched": "u/new: it broke"},
    {"bundles": HAS},
)


def everything() -> Iterator[tuple[NodeProgress, SeenNode | None, Run]]:
    both = (False, True)
    sights = [
        SeenNode(
            boot,
            is_ready=ready,
            is_cordoned=cordoned,
            is_ours=cordoned and ours,
            pods=pods,
            **said,
        )
        for boot, ready, cordoned, ours, pods, said in itertools.product(
            ("b1", "b2"), both, both, both, (None, (), ("a/b",)), _SAID
        )
    ]
    runs = [
        replace(
            run_of(),
            **kind,
            keeps_pods=keeps,
            is_forced=forced,
            is_paused=paused,
            is_aborted=aborted,
        )
        for forced, paused, aborted, (kind, keeps) in itertools.product(
            *(both, both, both),
            (*((kind, False) for kind in KINDS.values()), (UPGRADE, True), (CANARY, False)),
        )
    ]
    for state, age in itertools.product(AT_HAND, (timedelta(0), DRAIN, STEP, DRAIN + STEP)):
        yield from itertools.product([at(state, for_=age)], [*sights, None], runs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(50))
def test_whole_runs_come_to_an_end_with_each_host_asked_once(seed: int, kind: str) -> None:
    """Against Nodes that do what they are told, sooner or later, or twice; all by lot."""
    lot = random.Random(seed)
    there = replace(OPEN, bundles=HAS if kind == "release" else ("old",))
    count = lot.randint(1, 14)
    names = [f"w{n}" for n in range(count)]
    by_a_person = {name for name in names if lot.random() < 0.2}
    nodes = {name: replace(there, is_cordoned=name in by_a_person) for name in names}
    pods: dict[str, tuple[str, ...]] = dict.fromkeys(names, ("a/b",))
    sizes: list[int | str] = [1, 2, 3, "40%"]
    nodes_of = tuple(map(NodeProgress, names))
    fit = sorted({*names} - by_a_person)
    canary = lot.choice(fit) if fit and lot.random() < 0.5 else ""
    run = replace(run_of(), **KINDS[kind], nodes=nodes_of, batch=lot.choice(sizes), canary=canary)
    did: dict[str, list[State]] = {name: [] for name in names}
    for _ in range(1000):
        is_closed = all(nodes[one.name].is_cordoned for one in run.at_hand)
        seen: dict[str, SeenNode | None] = {
            name: replace(node, pods=pods[name] if is_closed else None)
            for name, node in nodes.items()
        }
        fetching = [one for one in run.at_hand if one.state is State.FETCHING]
        assert len(fetching) <= MOST_FETCHES
        assert len(run.at_hand) <= run.size or fetching == [*run.at_hand]
        assert not fetching or not any(did.values()), "hosts fetch before anything is done"
        if canary and run.state_of(canary) not in {State.DONE, State.PROVING}:
            others = {one.state for one in run.nodes if one.name != canary}
            assert others <= {State.WAITING, State.FETCHING}
        after, changes = step(run, seen, NOW)
        for change in changes:
            if lot.random() < 0.8:  # or whoever did it was killed
                nodes[change.node], pods[change.node] = done(
                    change, run, nodes[change.node], pods[change.node]
                )
        if lot.random() < 0.8:  # or before it was written down
            run = after
        for name, node in nodes.items():
            if node.fetches == run.ask and lot.random() < 0.5:
                assert node.is_cordoned is (name in by_a_person)
                nodes[name] = replace(node, fetched=run.ask, bundles=HAS)
            is_down = node.asked == node.boot
            is_new = is_down or (node.asked == run.ask and run.ask not in node.answers)
            if is_new and lot.random() < 0.5:
                assert pods[name] == ()
                did[name].append(State.REBOOTING if is_down else run.steps[0])
                nodes[name] = (
                    replace(node, boot=f"{node.boot}+")
                    if is_down
                    else replace(node, answers=(run.ask,))
                )
        if run.phase.is_end:
            break
    assert run.phase is Phase.SUCCEEDED
    assert did == {name: [*run.steps] for name in names}
    assert {name for name, node in nodes.items() if node.is_cordoned} == by_a_person
    assert not any(node.is_ours or node.is_asked for node in nodes.values())


def done(
    change: Change, run: Run, node: SeenNode, pods: tuple[str, ...]
) -> tuple[SeenNode, tuple[str, ...]]:
    match change.verb:
        case Verb.CORDON:
            return replace(node, is_cordoned=True, is_ours=True), pods
        case Verb.EVICT:
            return node, ()
        case Verb.ASK if run.state_of(change.node) is State.FETCHING:
            return replace(node, fetches=run.ask), pods
        case Verb.WITHDRAW:
            return replace(node, asked="", fetches=""), pods
        case Verb.ASK:
            is_to_reboot = run.state_of(change.node) is State.REBOOTING
            return replace(node, asked=node.boot if is_to_reboot else run.ask), pods
        case Verb.LET_GO if node.is_ours:
            return replace(node, is_cordoned=False, is_ours=False, asked=""), pods
        case _:
            return replace(node, asked=""), pods
