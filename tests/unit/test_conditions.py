"""Waiting: how often, how long, and what is told when it was in vain."""

from pathlib import Path

import pytest
from tests.fixed import CONFIG
from tests.unit.sessions import Hands, session_of

from kubeception import conditions
from kubeception.conditions import INTERVAL_S, Condition, all_of, current_problem, wait_for
from kubeception.errors import ApiError, Hopeless, WaitTimeout
from kubeception.host import files
from kubeception.host.gateway import Host
from kubeception.host.systemd import Systemd
from kubeception.render.apiserver import DOOR_GATE
from kubeception.session import Session


class Answers:
    """What a probe finds, one after the other; the last one for ever."""

    def __init__(self, *answers: str | None) -> None:
        self.left = list(answers)
        self.asked = 0

    def __call__(self, _: Session) -> str | None:
        self.asked += 1
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


def test_what_holds_is_not_waited_for(tmp_path: Path) -> None:
    hands, noted, found = Hands(), list[str](), Answers(None)

    wait_for(Condition("it", found), session_of(tmp_path, hands=hands), noted.append)

    assert (found.asked, hands.passed_s, noted) == (1, 0, [])


def test_what_is_in_the_way_is_noted_until_it_holds(tmp_path: Path) -> None:
    hands, noted = Hands(), list[str]()
    found = Answers("no socket", "not ready", None)

    wait_for(Condition("it", found), session_of(tmp_path, hands=hands), noted.append)

    assert noted == ["no socket", "not ready"]
    assert hands.passed_s == pytest.approx(2 * INTERVAL_S)


def test_a_failure_starts_the_row_again(tmp_path: Path) -> None:
    noted = list[str]()
    found = Answers(None, None, "hiccup", None, None, None)

    wait_for(Condition("it", found, successes=3), session_of(tmp_path), noted.append)

    assert found.asked == 6
    one, two = "1 of 3 in a row", "2 of 3 in a row"
    assert noted == [one, two, "hiccup", one, two]


@pytest.mark.parametrize(("spends_s", "rests_s"), [(0.01, INTERVAL_S), (0.3, 1.2), (5.0, 2.0)])
def test_looks_leave_the_processor_to_who_is_waited_for(
    tmp_path: Path, spends_s: float, rests_s: float
) -> None:
    hands, found = Hands(), Answers("not ready", "not ready", None)

    def look(session: Session) -> str | None:
        hands.spent_s += spends_s
        return found(session)

    wait_for(Condition("it", look), session_of(tmp_path, hands=hands), lambda _: None)

    assert hands.passed_s == pytest.approx(2 * rests_s)


def test_a_machine_that_is_slow_gets_more_time(tmp_path: Path) -> None:
    hands = Hands(slowness=3.0)
    session = session_of(tmp_path, hands=hands)

    with pytest.raises(WaitTimeout):
        wait_for(Condition("it", Answers("slow"), timeout_s=10), session, lambda _: None)
    assert hands.passed_s == pytest.approx(30, abs=1)


def test_as_long_as_it_is_slow(tmp_path: Path) -> None:
    hands = Hands(slowness=30.0)

    def look(_: Session) -> str:
        hands.slowness = 1.0  # at the first limit it is quiet again
        return "slow"

    with pytest.raises(WaitTimeout):
        wait_for(
            Condition("it", look, timeout_s=10), session_of(tmp_path, hands=hands), lambda _: None
        )
    assert hands.passed_s == pytest.approx(10, abs=1)


def test_what_is_hopeless_is_not_waited_for(tmp_path: Path) -> None:
    def problem(_: Session) -> str | None:
        raise Hopeless("it has restarted 3 times")

    hands = Hands()
    wanted = Condition("it", problem, hint="look", last_words=lambda _: ("no such flag",))
    with pytest.raises(Hopeless) as caught:
        wait_for(wanted, session_of(tmp_path, hands=hands), lambda _: None)

    assert list(caught.value.lines()) == [
        "error: it has restarted 3 times",
        "  no such flag",
        "hint: look",
    ]
    assert hands.passed_s == 0
    assert current_problem(wanted, session_of(tmp_path)) == "it has restarted 3 times"


def test_a_timeout_says_what_was_waited_for_and_what_was_seen_last(tmp_path: Path) -> None:
    hands = Hands()
    never = Condition("the door", Answers("a", "b"), timeout_s=3, hint="open it")

    with pytest.raises(WaitTimeout) as caught:
        wait_for(never, session_of(tmp_path, hands=hands), lambda _: None)

    assert caught.value.message == "timed out waiting for the door: b"
    assert (caught.value.what, caught.value.last, caught.value.hint) == ("the door", "b", "open it")
    assert caught.value.exit_code == 4
    assert 3 <= hands.passed_s <= 3 + 2 * INTERVAL_S


def test_a_row_that_is_too_short_at_the_end_says_so(tmp_path: Path) -> None:
    flapping = Condition("it", Answers(None), timeout_s=1.1, successes=100)

    with pytest.raises(WaitTimeout, match="only 7 of 100 in a row"):
        wait_for(flapping, session_of(tmp_path), lambda _: None)


def test_it_is_asked_once_even_without_any_time(tmp_path: Path) -> None:
    wait_for(Condition("it", Answers(None), timeout_s=0), session_of(tmp_path), lambda _: None)


def test_an_expected_failure_is_a_problem_and_a_bug_is_not(tmp_path: Path) -> None:
    def refused(_: Session) -> str | None:
        raise ApiError(0, "Unreachable", "nobody answers")

    def broken(_: Session) -> str | None:
        raise ZeroDivisionError

    session = session_of(tmp_path)
    assert current_problem(Condition("it", refused), session) == "nobody answers"
    with pytest.raises(ZeroDivisionError):
        wait_for(Condition("it", broken), session, lambda _: None)


def test_all_of_names_everything_that_is_late(tmp_path: Path) -> None:
    first, second = Answers("no pods", None), Answers("1 of 2 ready", "2 of 3 ready", None)
    parts = [
        Condition("dns", first),
        Condition("network", second),
        Condition("node", Answers(None)),
    ]
    noted = list[str]()

    wait_for(all_of("everything", parts, timeout_s=60), session_of(tmp_path), noted.append)

    assert noted == ["dns: no pods; network: 1 of 2 ready", "network: 2 of 3 ready"]


def test_conditions_complete_the_words_waiting_for() -> None:
    assert [
        condition.what
        for condition in (
            conditions.etcd_serves(),
            conditions.unit_active("kubelet.service"),
            conditions.start_at_boot(["kubelet.service"]),
            conditions.apiserver_ready(6444),
            conditions.apiserver_ready(6445, successes=10),
            conditions.door_leads_to(6445),
            conditions.node_ready("cp1"),
            conditions.lease_held("kube-scheduler"),
            conditions.rolled_out("Deployment", "coredns"),
        )
    ] == [
        "etcd to serve",
        "kubelet.service to run",
        "this host's units to start at boot",
        "the bootstrap API server on port 6444",
        "the hosted API server on port 6445",
        "the door to lead to port 6445",
        "node cp1 to be Ready",
        "Lease kube-scheduler to be held",
        "Deployment coredns to be ready",
    ]


@pytest.mark.parametrize(
    ("said", "serves"),
    [
        ({"ContainersReady": "True", "Ready": "False"}, True),  # on trial
        ({"ContainersReady": "True", "Ready": "True", DOOR_GATE: "True"}, True),
        ({"ContainersReady": "True", "Ready": "False", DOOR_GATE: "True"}, False),  # its node died
        ({"ContainersReady": "False", "Ready": "False"}, False),
        ({}, False),
    ],
)
def test_whether_a_pod_serves_is_what_it_says(said: dict[str, str], *, serves: bool) -> None:
    told = [{"type": kind, "status": status} for kind, status in said.items()]
    pod = {"metadata": {}, "status": {"conditions": told}}

    assert conditions.pod_serves(pod) is serves
    assert not conditions.pod_serves({**pod, "metadata": {"deletionTimestamp": "now"}})


def test_what_was_waited_for_in_vain_has_the_last_word(tmp_path: Path) -> None:
    session = session_of(tmp_path, hands=Hands())
    mute = Condition("this", Answers("late"), timeout_s=1)
    fine = Condition("that", Answers(None), last_words=lambda _: ["never asked"])
    late = Condition("it", Answers("late"), last_words=lambda _: ["it.service: failed", "boom"])
    all_three = all_of("all", [mute, fine, late], timeout_s=1)

    with pytest.raises(WaitTimeout) as caught:
        wait_for(all_three, session, lambda _: None)

    assert list(caught.value.lines()) == [
        "error: timed out waiting for all: this: late; it: late",
        "  it.service: failed",
        "  boom",
        "hint: kubeception status",
    ]


def test_an_api_server_that_never_started_leaves_the_word_to_the_kubelet(tmp_path: Path) -> None:
    session = Session(CONFIG, Host(root=tmp_path, systemd=Systemd(tmp_path / "no-bus")))
    ready = conditions.apiserver_ready(6444)

    assert ready.last_words(session)[0].startswith("kubelet.service: systemd on D-Bus: ")

    log = (
        session.layout.kubelet.pod_logs
        / "kube-system_bootstrap-kube-apiserver-cp1_1/kube-apiserver"
    )
    files.write(log / "0.log", "2026-11-23T09:00:00Z stderr F Error: unknown flag: --bogus\n")
    assert ready.last_words(session)[1:] == ("Error: unknown flag: --bogus",)
