"""What a revision has done so far decides whether it is trusted."""

from dataclasses import replace

import pytest

from kubeception.endpoints import HOSTED_PORTS
from kubeception.keeper.rollout import History, Rollout, Server
from kubeception.render import apiserver

OLD = Server("old", "1", 6445, answers=True, is_marked=True)
NEW = Server("new", "2", 6446, answers=True)
TRIAL = Rollout("2", 6446, 6445, servers=(NEW,), proven=("1",))
BEHIND = replace(TRIAL, live=6446)


def told(*seen: tuple[float, Rollout]) -> Rollout:
    """Return the last rollout with what a watch that saw all of them knows of it."""
    history = History()
    for now, rollout in seen:
        history = history.then(rollout, now)
    now, last = seen[-1]
    return history.tell(last, now)


def of(rollout: Rollout, **changed: object) -> Rollout:
    return replace(rollout, servers=(replace(NEW, **changed),))  # type: ignore[arg-type]


def test_seconds_count_from_when_it_was_first_seen() -> None:
    found = told((100, TRIAL), (110, TRIAL), (120, BEHIND), (150, BEHIND))

    assert (found.asked_s, found.steady_s, found.behind_s) == (50, 50, 30)
    assert not found.has_failed


def test_another_revision_starts_anew() -> None:
    found = told((100, TRIAL), (150, replace(TRIAL, wanted="3")))

    assert (found.asked_s, found.steady_s) == (0, 0)


def test_the_same_revision_on_the_other_port_starts_anew() -> None:
    assert told((100, TRIAL), (150, replace(TRIAL, port=6445))).asked_s == 0


def test_a_restart_ends_a_trial_and_is_no_failure_yet() -> None:
    found = told((0, TRIAL), (20, of(TRIAL, restarts=1)), (25, of(TRIAL, restarts=1)))

    assert found.steady_s == 0
    assert not found.has_failed


def test_a_restart_behind_the_door_is_a_failure() -> None:
    assert told((0, TRIAL), (30, BEHIND), (32, of(BEHIND, restarts=1))).has_failed


def test_it_stays_one_when_the_door_has_turned_back() -> None:
    seen = ((0, BEHIND), (2, of(BEHIND, restarts=1)), (4, of(TRIAL, restarts=1)))

    assert told(*seen).has_failed


def test_a_short_silence_behind_the_door_is_none() -> None:
    silent = of(BEHIND, answers=False)

    assert not told((0, BEHIND), (2, silent), (11, silent)).has_failed
    assert told((0, BEHIND), (2, silent), (12, silent)).has_failed
    assert not told((0, BEHIND), (2, silent), (11, BEHIND), (20, silent)).has_failed


def test_a_server_that_lost_the_door_to_another_has_not_failed() -> None:
    assert not told((0, BEHIND), (2, replace(BEHIND, live=6444)), (4, BEHIND)).has_failed


def test_without_a_server_nothing_counts_but_the_time() -> None:
    found = told((0, TRIAL), (9, replace(TRIAL, servers=())))

    assert (found.asked_s, found.steady_s, found.behind_s) == (9, 0, 0)


AWAY = Server("api-2", "1", 6445, answers=False, is_marked=True)
# The revision that is asked for, on the host whose turn came first, where it is proven.
FIRST = replace(NEW, pod="api-2", answers=False, is_marked=True)


def of_two(**changed: object) -> Rollout:
    """Return a roll that another host takes part in, and that this host's turn has not come in."""
    waiting = replace(TRIAL, servers=(OLD,), elsewhere=(AWAY,))
    return replace(waiting, **changed)  # type: ignore[arg-type]


def test_a_hosts_time_counts_from_its_own_pod() -> None:
    """In a roll over several hosts the last one's turn comes after minutes."""
    waiting = of_two(elsewhere=(FIRST,))
    due = replace(waiting, servers=(OLD, replace(NEW, answers=False)))

    assert told((0, waiting), (500, waiting)).broken_because() is None
    assert told((0, waiting), (500, waiting), (502, due), (619, due)).broken_because() is None
    assert told((0, waiting), (500, waiting), (502, due), (623, due)).broken_because() is not None


def test_a_pod_that_comes_late_has_its_whole_time() -> None:
    late, there = replace(TRIAL, servers=(OLD,)), of(TRIAL, answers=False)

    assert told((0, late), (100, late), (101, there), (220, there)).broken_because() is None
    assert told((0, late), (100, late), (101, there), (221, there)).broken_because() is not None


def test_what_serves_on_another_host_is_not_broken_but_this_host_is() -> None:
    failing = of_two(servers=(OLD, replace(NEW, answers=False, restarts=5)))
    proven = replace(failing, elsewhere=(FIRST,), proven_elsewhere=failing.wanted)

    assert failing.broken_because() == "it has restarted 5 times"
    assert proven.broken_because() is None
    assert proven.fails_because() == "it has restarted 5 times"


@pytest.mark.parametrize("elsewhere", [(), (AWAY,), (replace(FIRST, is_marked=False),)])
def test_an_annotation_alone_saves_no_revision(elsewhere: tuple[Server, ...]) -> None:
    """Anybody may have written it: another host's door has to lead to a server of it."""
    failing = of_two(servers=(OLD, replace(NEW, answers=False, restarts=5)), elsewhere=elsewhere)
    praised = replace(failing, proven_elsewhere=failing.wanted)

    assert praised.broken_because() == "it has restarted 5 times"


def test_what_no_host_has_a_pod_of_is_put_back_in_time() -> None:
    """A pod that can't be made comes nowhere, however many hosts wait for their turn."""
    assert told((0, of_two()), (119, of_two())).broken_because() is None
    assert told((0, of_two()), (121, of_two())).broken_because() == "it is not ready after 120 s"


def test_on_a_machine_that_is_slow_a_new_server_has_more_time() -> None:
    slow = of_two(slowness=5.0)

    assert told((0, slow), (599, slow)).broken_because() is None
    assert told((0, slow), (600, slow)).broken_because() == "it is not ready after 600 s"
    silent = replace(of(BEHIND, answers=False), slowness=5.0)
    assert not told((0, BEHIND), (2, silent), (51, silent)).has_failed
    assert told((0, BEHIND), (2, silent), (52, silent)).has_failed


def test_a_pod_that_is_made_again_and_again_has_no_new_time() -> None:
    due = of_two(servers=(OLD, replace(NEW, answers=False)), elsewhere=(FIRST,))
    gone = replace(due, servers=(OLD,))

    assert told((0, due), (60, gone), (61, due), (119, gone)).broken_because() is None
    assert told((0, due), (60, gone), (61, due), (121, gone)).broken_because() is not None


def test_a_port_that_any_host_has_is_taken() -> None:
    """An edit in the middle of a roll asks for the port of a server that waits on another host."""
    newer = replace(AWAY, revision="9", port=TRIAL.port)
    asked = of_two(elsewhere=(newer,))

    assert asked.is_in_its_own_way()
    assert not of_two().is_in_its_own_way()
    free = apiserver.free_port(asked.port, asked.taken)
    assert free not in {one.port for one in (*asked.servers, *asked.elsewhere)}
    assert not replace(asked, port=free).is_in_its_own_way()


@pytest.mark.parametrize("before", HOSTED_PORTS)
def test_five_hosts_leave_one_port_free(before: int) -> None:
    taken = {port for port in HOSTED_PORTS if port != before}
    others = taken - {min(taken)}

    assert apiserver.free_port(before, others) == min(taken)


def test_what_was_gone_back_to_is_proven_once_more() -> None:
    """Or a bad edit would be put back to the release that was left."""
    serving = replace(BEHIND, servers=(replace(NEW, is_marked=True),))

    left, anew = replace(serving, proven=("3", "2")), replace(serving, proven=("2", "3"))

    assert not told((0, left), (59, left)).may_be_proven()
    assert told((0, left), (60, left)).may_be_proven()
    assert not told((0, anew), (60, anew)).may_be_proven()


SERVING = replace(BEHIND, servers=(NEW, OLD))
IN_VAIN = replace(SERVING, in_vain=("w1",))
REACHED = replace(IN_VAIN, reached=("w1",))
BACK = replace(SERVING, live=6445)


def test_nodes_whose_connections_do_not_stand_are_shut_out_after_a_moment() -> None:
    assert told((0, SERVING), (20, IN_VAIN), (21.9, IN_VAIN)).way_back == 0
    assert told((0, SERVING), (20, IN_VAIN), (22, IN_VAIN)).way_back == 6445
    assert told((0, SERVING), (20, IN_VAIN), (21, REACHED), (99, REACHED)).way_back == 0


def test_one_node_that_reaches_it_is_enough() -> None:
    """That others don't is said by their own keepers: a host may shut out whom it likes."""
    found = told((0, REACHED), (60, replace(REACHED, in_vain=("w2",))))

    assert found.may_be_proven()
    assert found.outside == "node w1 has reached it"


def test_where_nobody_has_tried_it_is_proven_all_the_same() -> None:
    """A worker that is off proves nothing, and keeps nobody from serving."""
    found = told((0, SERVING), (60, SERVING))

    assert found.may_be_proven()
    assert found.outside == "no other node has tried it"


def test_what_one_has_tried_just_now_is_not_proven_before_it_is_known_how_that_ends() -> None:
    assert not told((0, SERVING), (60, IN_VAIN)).may_be_proven()


SHUT = ((0, SERVING), (20, IN_VAIN), (23, IN_VAIN), (24, BACK))


def test_who_shut_nodes_out_has_the_door_again_after_a_while() -> None:
    steady = ((82, BACK), (83, BACK))

    assert told(*SHUT, steady[0]).shut_out == ("w1",)
    assert not told(*SHUT, steady[0]).may_have_the_door()
    assert told(*SHUT, *steady).may_have_the_door()


def test_while_a_chain_seems_to_drop_it_that_while_is_longer() -> None:
    blocked = replace(BACK, blocked="a chain")

    assert not told(*SHUT, (622, blocked)).may_have_the_door()
    assert told(*SHUT, (623, blocked)).may_have_the_door()
    assert told(*SHUT, (300, blocked), (302, BACK)).may_have_the_door()


def test_what_was_proven_once_is_not_tried_by_others_anew() -> None:
    known = replace(IN_VAIN, proven=("1", "2"))

    assert not told((0, known), (99, known)).shut_out


def test_another_revision_is_not_to_blame_for_the_one_before() -> None:
    assert not told(*SHUT, (25, replace(BACK, wanted="3"))).shut_out
