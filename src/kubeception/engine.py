"""Carry out phases: plan, say what differs, change it, check again, wait.

Idempotence, progress and the check after a change live here, once for all phases.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from kubeception import crash
from kubeception.conditions import Condition, wait_for
from kubeception.config import Config
from kubeception.errors import NotConverged
from kubeception.facts import Facts
from kubeception.reach import Reach
from kubeception.report import Steps
from kubeception.resources import Resource

Note = Callable[[str], None]


def _nothing(_config: Config, _facts: Facts) -> tuple[()]:
    return ()


@dataclass(frozen=True)
class Phase:
    """One step of a workflow.

    What its `plan` wants is made so, and `until` ends it. `module` and `says` are its log line, in
    the original's words.
    """

    name: str
    says: str
    plan: Callable[[Config, Facts], Iterable[Resource]] = _nothing
    until: Callable[[Config, Facts], Iterable[Condition]] = _nothing
    module: str = "k8s"


@dataclass
class Summary:
    """What a run came to."""

    changes: list[str] = field(default_factory=list)
    times: dict[str, float] = field(default_factory=dict)


def carry_out(
    phases: Sequence[Phase], reach: Reach, *, gather: Callable[[], Facts], steps: Steps
) -> Summary:
    """Carry out phases in order; each gathers the facts anew, one that wants nothing is passed."""
    summary = Summary(times=steps.times)
    for phase in phases:
        facts = gather()
        config = facts.cluster.settings.over(reach.asked)
        wanted = list(phase.plan(config, facts))
        until = list(phase.until(config, facts))
        if not (wanted or until):
            continue
        log = _log_of(phase)
        with steps.step(phase.name, phase.says, quiet=True) as note:
            log.info("%s", phase.says)
            for resource in wanted:
                if drift := _converge(resource, phase, reach, note):
                    summary.changes.append(f"{phase.name}: {resource}: {drift}")
            _wait(until, reach, note, log)
        log.debug("%s: %.1fs", phase.name, steps.times[phase.name])
    return summary


def _converge(resource: Resource, phase: Phase, reach: Reach, note: Note) -> str | None:
    """Make one thing what is wanted; return how it differed, or None."""
    drift = resource.drift(reach)
    _log_of(phase).debug("%s: %s", resource, drift or "unchanged")
    if drift is None:
        return None
    note(f"{resource}: {drift}")
    crash.before(f"{phase.name}:", resource)
    resource.apply(reach)
    if left := resource.drift(reach):
        raise NotConverged(str(resource), left)
    return drift


def _log_of(phase: Phase) -> logging.Logger:
    return logging.getLogger(f"kubeception.{phase.module}")


def _wait(wanted: Iterable[Condition], reach: Reach, note: Note, log: logging.Logger) -> None:
    for condition in wanted:
        log.debug("waiting for %s", condition.what)
        wait_for(condition, reach, note)
