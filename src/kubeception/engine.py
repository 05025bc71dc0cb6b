"""Carry out phases: plan, say what differs, change it, check again, wait; or only say it.

Idempotence, progress, the check after a change and the dry run live here, once for all phases.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from kubeception import crash
from kubeception.conditions import Condition, wait_for
from kubeception.config import Config
from kubeception.errors import ApiError, KubeceptionError, NotConverged
from kubeception.facts import Facts
from kubeception.report import Steps
from kubeception.resources import Confirmed, Resource, WithContent, WithFiles
from kubeception.session import Session

Note = Callable[[str], None]


def _nothing(_config: Config, _facts: Facts) -> tuple[()]:
    return ()


@dataclass(frozen=True)
class Phase:
    """One step of a workflow.

    What its `plan` wants is made so, and `until` ends it. `module` and `title` are its log line, in
    the original's words.
    """

    name: str
    title: str
    plan: Callable[[Config, Facts], Iterable[Resource]] = _nothing
    until: Callable[[Config, Facts], Iterable[Condition]] = _nothing
    module: str = "k8s"
    is_of_others: bool = False
    """What it wants depends on what others do meanwhile."""


@dataclass
class Summary:
    """What a run came to."""

    changes: list[str] = field(default_factory=list)
    times: dict[str, float] = field(default_factory=dict)


def carry_out(
    phases: Sequence[Phase], session: Session, *, gather: Callable[[], Facts], steps: Steps
) -> Summary:
    """Carry out phases in order; one that wants nothing is passed.

    Facts are gathered anew after a phase that has changed something or had to wait, and before one
    that depends on others.
    """
    summary, facts = Summary(times=steps.times), None
    for phase in phases:
        facts = gather() if facts is None or phase.is_of_others else facts
        config = facts.cluster.settings.over(session.asked)
        wanted = list(phase.plan(config, facts))
        until = list(phase.until(config, facts))
        if not (wanted or until):
            continue
        log = _log_of(phase)
        with steps.step(phase.name, phase.title, quiet=True) as note:
            log.info("%s", phase.title)
            noted = _Noted(note)
            for resource in wanted:
                if drift := _converge(resource, phase, session, noted):
                    summary.changes.append(f"{phase.name}: {resource}: {drift}")
            _wait(until, session, noted, log)
        if noted.count:
            facts = None
        log.debug("%s: %.1fs", phase.name, steps.times[phase.name])
    return summary


@dataclass
class _Noted:
    """Counts what is noted: changes, and what is waited for."""

    note: Note
    count: int = 0

    def __call__(self, said: str) -> None:
        self.count += 1
        self.note(said)


@dataclass(frozen=True)
class Change:
    """How one wanted thing differs, with the diff of its content where that may be seen."""

    phase: str
    thing: str
    drift: str
    diff: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.phase}: {self.thing}: {self.drift}"


@dataclass(frozen=True)
class NotPlanned:
    """What nobody can tell before the run, and why."""

    phase: str
    things: tuple[str, ...]
    why: str

    def __str__(self) -> str:
        first, *others = self.things
        more = f" and {len(others)} more" if others else ""
        return f"{self.phase}: not planned: {first}{more}: {self.why}"


@dataclass
class Preview:
    """What a run would change, as far as that can be told before it."""

    changes: list[Change] = field(default_factory=list)
    not_planned: list[NotPlanned] = field(default_factory=list)


def dry_run(phases: Sequence[Phase], session: Session, *, gather: Callable[[], Facts]) -> Preview:
    """Compare what phases want by the facts of now; changes nothing, and waits for nothing.

    What can't be compared yet, such as an object where no API server runs, is named.
    """
    preview = Preview()
    try:
        facts = gather()
    except KubeceptionError as error:
        preview.not_planned.append(NotPlanned("facts", ("every phase",), error.message))
        return preview
    config = facts.cluster.settings.over(session.asked)
    told: list[Resource] = []
    for phase in phases:
        # What an earlier phase wants as well, and changes, is made so by then.
        wanted = [one for one in phase.plan(config, facts) if one not in told]
        unknown: dict[str, list[str]] = {}
        for index, resource in enumerate(wanted):
            try:
                if change := _change(resource, phase, session, preview.changes):
                    preview.changes.append(change)
                    told.append(resource)
            except KubeceptionError as error:
                is_silent = isinstance(error, ApiError) and error.status == 0
                these = wanted[index:] if is_silent else [resource]
                told += these
                unknown.setdefault(error.message, []).extend(map(str, these))
                if is_silent:
                    break
        for why, things in unknown.items():
            preview.not_planned.append(NotPlanned(phase.name, tuple(things), why))
    return preview


def _change(
    resource: Resource, phase: Phase, session: Session, before: Iterable[Change]
) -> Change | None:
    """Return how one thing differs, or would after the changes before it."""
    if drift := resource.drift(session):
        diff = resource.diff(session) if isinstance(resource, WithContent) else ()
        return Change(phase.name, str(resource), drift, diff)
    if isinstance(resource, WithFiles):
        changed = {change.thing for change in before} & {*map(str, resource.started_after)}
        if changed:
            why = f"{min(changed)} would be newer"
            return Change(phase.name, str(resource), why)
    return None


def _converge(resource: Resource, phase: Phase, session: Session, note: Note) -> str | None:
    """Make one thing what is wanted; return how it differed, or None."""
    drift = resource.drift(session)
    _log_of(phase).debug("%s: %s", resource, drift or "unchanged")
    if drift is None:
        return None
    note(f"{resource}: {drift}")
    crash.before(f"{phase.name}:", resource)
    resource.apply(session)
    if not isinstance(resource, Confirmed) and (left := resource.drift(session)):
        raise NotConverged(str(resource), left)
    return drift


def _log_of(phase: Phase) -> logging.Logger:
    return logging.getLogger(f"kubeception.{phase.module}")


def _wait(wanted: Iterable[Condition], session: Session, note: Note, log: logging.Logger) -> None:
    for condition in wanted:
        log.debug("waiting for %s", condition.what)
        wait_for(condition, session, partial(_note_wait, note, condition.what))


def _note_wait(note: Note, what: str, problem: str) -> None:
    note(f"waiting for {what}: {problem}")
