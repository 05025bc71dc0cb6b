"""Carry out phases: plan, say what differs, change it, check again, wait.

Idempotence, the dry run, progress and the check after a change live here, once for all phases.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from kubeception.conditions import Condition, wait_for
from kubeception.config import Config
from kubeception.errors import NotConverged
from kubeception.facts import Facts
from kubeception.reach import Reach
from kubeception.report import Steps
from kubeception.resources import Resource


def _nothing(_config: Config, _facts: Facts) -> Iterable[Condition]:
    return ()


@dataclass(frozen=True)
class Phase:
    """One step of a workflow.

    `after` has to hold before the phase plans, `until` ends it. `module` and `says` are its log
    line, in the original's words.
    """

    name: str
    says: str
    plan: Callable[[Config, Facts], Iterable[Resource]]
    after: Callable[[Config, Facts], Iterable[Condition]] = _nothing
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
    """Carry out phases in order; each gathers the facts anew."""
    summary = Summary(times=steps.times)
    for phase in phases:
        log = logging.getLogger(f"kubeception.{phase.module}")
        with steps.step(phase.name, phase.says, quiet=True) as note:
            log.info("%s", phase.says)
            facts = gather()
            for condition in phase.after(reach.config, facts):
                log.debug("waiting for %s", condition.what)
                wait_for(condition, reach, note)
            for resource in phase.plan(reach.config, facts):
                if (drift := resource.drift(reach)) is None:
                    log.debug("%s: unchanged", resource)
                    continue
                log.debug("%s: %s", resource, drift)
                note(f"{resource}: {drift}")
                resource.apply(reach)
                if (left := resource.drift(reach)) is not None:
                    raise NotConverged(str(resource), left)
                summary.changes.append(f"{phase.name}: {resource}: {drift}")
            for condition in phase.until(reach.config, facts):
                log.debug("waiting for %s", condition.what)
                wait_for(condition, reach, note)
        log.debug("%s: %.1fs", phase.name, steps.times[phase.name])
    return summary
