"""Phases are carried out in order, once, and only as far as they hold."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.fixed import FACTS
from tests.unit.sessions import Hands, session_of

from kubeception.conditions import Condition
from kubeception.config import Config
from kubeception.engine import Phase, Preview, Summary, carry_out, dry_run
from kubeception.errors import ApiError, KubeceptionError, NotConverged, WaitTimeout
from kubeception.facts import Facts
from kubeception.report import Steps
from kubeception.resources import Resource
from kubeception.resources.file import File
from kubeception.session import Session

LOG = logging.getLogger("kubeception.test")
FIRST, SECOND = Path("/etc/first"), Path("/etc/second")


@dataclass(frozen=True)
class Stubborn:
    """A thing that takes every change and stays as it was."""

    def drift(self, session: Session) -> str | None:
        return "will not"

    def apply(self, session: Session) -> None:
        pass

    def __str__(self) -> str:
        return "mule"


def wants(*resources: Resource) -> Phase:
    return Phase("things", "making things", lambda _config, _facts: resources)


def exists(path: Path) -> Condition:
    def problem(session: Session) -> str | None:
        return None if session.host.at(path).exists() else f"{path} is missing"

    return Condition(str(path), problem, timeout_s=1)


def carried_out(session: Session, *phases: Phase) -> Summary:
    with Steps(LOG) as steps:
        return carry_out(phases, session, gather=lambda: FACTS, steps=steps)


def test_the_second_run_changes_nothing(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    phase = wants(File(FIRST, "one"), File(SECOND, "two"))

    assert carried_out(session, phase).changes == [
        "things: /etc/first: missing",
        "things: /etc/second: missing",
    ]
    before = [session.host.at(path).stat() for path in (FIRST, SECOND)]

    assert carried_out(session, phase).changes == []
    assert [session.host.at(path).stat() for path in (FIRST, SECOND)] == before


def test_only_what_differs_is_changed(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    phase = wants(File(FIRST, "one"), File(SECOND, "two"))
    carried_out(session, phase)
    session.host.at(SECOND).write_text("another")

    assert carried_out(session, phase).changes == ["things: /etc/second: content differs"]
    assert session.host.at(SECOND).read_text() == "two"


def test_a_change_that_does_not_hold_ends_the_run(tmp_path: Path) -> None:
    session = session_of(tmp_path)

    with pytest.raises(NotConverged, match="mule: still differs after the change: will not"):
        carried_out(session, wants(File(FIRST, "one"), Stubborn(), File(SECOND, "two")))
    assert session.host.at(FIRST).exists() and not session.host.at(SECOND).exists()


def test_facts_are_gathered_anew_after_a_change_and_only_then(tmp_path: Path) -> None:
    """What one phase did decides what the next one wants."""
    session, seen = session_of(tmp_path), list[bool]()

    def gather() -> Facts:
        return replace(FACTS, needs_api=not session.host.at(FIRST).exists())

    def plan(_: Config, facts: Facts) -> Iterator[Resource]:
        seen.append(facts.needs_api)
        yield File(FIRST, "one")

    with Steps(LOG) as steps:
        phases = [Phase(name, "", plan) for name in ("a", "b")]
        summary = carry_out(phases, session, gather=gather, steps=steps)

    assert seen == [True, False]
    assert list(summary.times) == ["a", "b"]

    gathered = list[Facts]()

    def count() -> Facts:
        gathered.append(FACTS)
        return FACTS

    with Steps(LOG) as steps:
        carry_out(phases, session, gather=count, steps=steps)
    assert len(gathered) == 1


def test_and_before_a_phase_that_depends_on_others(tmp_path: Path) -> None:
    gathered = list[Facts]()

    def count() -> Facts:
        gathered.append(FACTS)
        return FACTS

    quiet = wants(File(FIRST, "one"))
    with Steps(LOG) as steps:
        phases = [quiet, replace(quiet, name="theirs", is_of_others=True)]
        session = session_of(tmp_path)
        carry_out(phases[:1], session, gather=count, steps=steps)
        gathered.clear()
        carry_out(phases, session, gather=count, steps=steps)
    assert len(gathered) == 2


def test_and_after_a_phase_that_had_to_wait(tmp_path: Path) -> None:
    """Somebody else has changed something meanwhile."""
    gathered = list[Facts]()
    answers = iter(["not yet", None, None])

    def count() -> Facts:
        gathered.append(FACTS)
        return FACTS

    waits = Phase("waits", "", until=lambda *_: [Condition("it", lambda _: next(answers))])
    with Steps(LOG) as steps:
        phases = [waits, wants(File(FIRST, "one"))]
        carry_out(phases, session_of(tmp_path), gather=count, steps=steps)
    assert len(gathered) == 2


def test_a_phase_that_wants_nothing_is_passed_in_silence(tmp_path: Path) -> None:
    summary = carried_out(session_of(tmp_path), wants())

    assert (summary.changes, summary.times) == ([], {})


def test_a_phase_ends_with_its_conditions(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    phase = replace(wants(File(FIRST, "one")), until=lambda _config, _facts: [exists(FIRST)])

    assert carried_out(session, phase).changes == ["things: /etc/first: missing"]


def test_a_phase_that_only_waits_keeps_the_next_one_from_being_planned(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    waits = Phase("wait", "waiting", until=lambda _config, _facts: [exists(FIRST)])

    def plan(_config: Config, _facts: Facts) -> Iterator[Resource]:
        raise AssertionError("it was planned before what it needs is there")

    with pytest.raises(WaitTimeout, match="/etc/first is missing"):
        carried_out(session, waits, Phase("things", "making things", plan))


def test_a_phase_that_does_not_end_keeps_the_next_one_from_beginning(tmp_path: Path) -> None:
    hands = Hands()
    session = session_of(tmp_path, hands=hands)
    endless = replace(
        wants(File(FIRST, "one")), until=lambda _config, _facts: [exists(Path("/never"))]
    )

    with pytest.raises(WaitTimeout, match="waiting for /never"):
        carried_out(session, endless, wants(File(SECOND, "two")))
    assert session.host.at(FIRST).exists() and not session.host.at(SECOND).exists()
    assert hands.passed_s > 1
    # The next run does not repeat what holds already.
    assert carried_out(session, wants(File(FIRST, "one"))).changes == []


@dataclass(frozen=True)
class Silent:
    """A thing of an API that nobody answers for, or that refuses."""

    name: str
    error: KubeceptionError

    def drift(self, session: Session) -> str | None:
        raise self.error

    def apply(self, session: Session) -> None:
        raise AssertionError("a dry run applies nothing")

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Reader:
    """A thing that reads a file only when it starts."""

    started_after: tuple[Path, ...]

    def drift(self, session: Session) -> str | None:
        return None

    def apply(self, session: Session) -> None:
        pass

    def __str__(self) -> str:
        return "reader"


def previewed(session: Session, *phases: Phase) -> Preview:
    return dry_run(phases, session, gather=lambda: FACTS)


def test_a_dry_run_says_what_a_run_then_changes_and_changes_nothing(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    session.host.at(SECOND).parent.mkdir()
    session.host.at(SECOND).write_text("one\nanother\n")
    phases = [wants(File(FIRST, "one\n")), wants(File(FIRST, "one\n"), File(SECOND, "one\ntwo\n"))]
    before = session.host.at(SECOND).stat()

    preview = previewed(session, *phases)

    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["second"]
    assert session.host.at(SECOND).stat().st_mtime_ns == before.st_mtime_ns
    assert preview.not_planned == []
    assert [change.diff[2:] for change in preview.changes] == [
        ("@@ -0,0 +1 @@", "+one"),
        ("@@ -1,2 +1,2 @@", " one", "-another", "+two"),
    ]
    assert [*map(str, preview.changes)] == carried_out(session, *phases).changes
    assert previewed(session, *phases) == Preview()


def test_a_dry_run_waits_for_nothing(tmp_path: Path) -> None:
    hands = Hands()
    phase = replace(wants(), until=lambda _config, _facts: [exists(Path("/never"))])

    assert previewed(session_of(tmp_path, hands=hands), phase) == Preview()
    assert hands.passed_s == 0


def test_what_cannot_be_compared_yet_is_not_planned(tmp_path: Path) -> None:
    refused = Silent("a", ApiError(403, "Forbidden", "not for you"))
    silent = Silent("b", ApiError(0, "Unreachable", "nobody answers"))

    preview = previewed(
        session_of(tmp_path),
        wants(refused, File(FIRST, "one"), silent, Silent("c", KubeceptionError("never asked"))),
        wants(File(SECOND, "two")),
    )

    assert [*map(str, preview.changes)] == [
        "things: /etc/first: missing",
        "things: /etc/second: missing",
    ]
    assert [*map(str, preview.not_planned)] == [
        "things: not planned: a: not for you",
        "things: not planned: b and 1 more: nobody answers",
    ]


def test_a_host_without_facts_has_nothing_planned(tmp_path: Path) -> None:
    def gather() -> Facts:
        raise KubeceptionError("there is no default route")

    preview = dry_run([wants(File(FIRST, "one"))], session_of(tmp_path), gather=gather)

    assert preview.changes == []
    assert "every phase: there is no default route" in str(preview.not_planned[0])


def test_who_reads_a_file_only_at_its_start_follows_its_change(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    phase = wants(File(FIRST, "one"), Reader((FIRST, SECOND)))

    assert [str(one) for one in previewed(session, phase).changes] == [
        "things: /etc/first: missing",
        "things: reader: /etc/first would be newer",
    ]
    carried_out(session, phase)
    assert previewed(session, phase) == Preview()


def test_what_follows_a_change_is_planned_though_an_earlier_phase_wanted_it_as_it_is(
    tmp_path: Path,
) -> None:
    session = session_of(tmp_path)
    reader = Reader((FIRST,))

    preview = previewed(session, wants(reader), wants(File(FIRST, "one"), reader), wants(reader))

    assert [str(one) for one in preview.changes] == [
        "things: /etc/first: missing",
        "things: reader: /etc/first would be newer",
    ]
