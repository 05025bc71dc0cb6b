"""Break a lab host's control plane, again and again, and write down what comes of it."""

import json
import logging
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from tests.lab import faults, healing
from tests.lab.faults import Fault
from tests.lab.lot import SEED
from tests.lab.timeline import Span

from bench.recovery.figures import Act, Case, Run
from kubeception.lab import Host, Lab

log = logging.getLogger("kubeception.bench")

# A fault that is not mended by then never will be, and a limit is still to be missed by far.
PATIENCE = 2


def names() -> tuple[str, ...]:
    """Return what every case is called."""
    return (*healing.DARKNESSES, *(fault.name for fault in faults.table()))


def cases(lab: Lab, *, wanted: tuple[str, ...], times: int, cuts: int) -> Iterator[Case]:
    """Measure case after case."""
    for name, cut in healing.DARKNESSES.items():
        if name in wanted:
            runs = [_darkness(healing.well(lab), cut, batch=f"cut-{n}") for n in range(cuts)]
            limit_s = healing.BACK_S
            yield _said(Case(name, _today(), limit_s, limit_s, runs))
    for fault in faults.table():
        if fault.name in wanted:
            runs = [_fault(healing.well(lab), fault) for _ in range(times)]
            yield _said(Case(fault.name, _today(), fault.gap_s, fault.well_s, runs))


def _fault(host: Host, fault: Fault) -> Run:
    healed = healing.heal(fault, host, patience_s=PATIENCE * fault.well_s)
    return Run(
        healed.injected_s,
        healed.well_s,
        healed.requests,
        healed.slowest_s,
        healed.spans,
        acts=_acts(host, healed.began_s),
        replaced=healed.replaced,
        problems=healed.problems,
        words=f"{fault.words} (seed {SEED})" if fault.words else "",
        load=os.getloadavg()[0],
    )


def _darkness(host: Host, cut: Callable[[Host], object], *, batch: str) -> Run:
    back = healing.come_back(
        lambda: cut(host), host, batch=batch, patience_s=PATIENCE * healing.BACK_S
    )
    return Run(
        0.0,
        back.well_s,
        requests=0,
        slowest_s=0.0,
        # Nobody on the host can ask meanwhile.
        spans=[Span(0.0, back.api_s, 0, 1, "off"), Span(back.api_s, back.well_s, 1)],
        acts=_acts(host, back.began_s),
        acknowledged=back.acknowledged,
        lost=back.lost,
        load=os.getloadavg()[0],
    )


def _acts(host: Host, began_s: float) -> list[Act]:
    """Return what the keeper's journal has since a moment."""
    shown = host.run(
        *("journalctl", "--no-pager", "--unit", "kubeception-keeper", "--output", "json"),
        *("--output-fields", "MESSAGE", "--since", f"@{int(began_s)}"),
    ).stdout
    lines = [json.loads(line) for line in shown.splitlines()]
    acts = [Act(int(e["__REALTIME_TIMESTAMP"]) / 1e6 - began_s, str(e["MESSAGE"])) for e in lines]
    return [act for act in acts if act.at_s >= 0]


def _said(case: Case) -> Case:
    well = case.wells_s()
    log.info(
        "%s: gap %.1fs of %g, %s of %g",
        case.name,
        case.gaps_s()[1],
        case.gap_limit_s,
        f"all well after {well[1]:.1f}s" if well else "not well",
        case.well_limit_s,
    )
    return case


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
