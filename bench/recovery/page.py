"""docs/recovery.md, written from the figures alone."""

from collections.abc import Iterator

from bench.recovery.figures import Act, Case, Figures, Run

# A row's room; the picture and the JSON have all of them.
_ACTS = 6


def page(figures: Figures) -> str:
    """Return the page."""
    days = sorted({case.day for case in figures.cases})
    when = " to ".join(dict.fromkeys((days[0], days[-1]))) if days else "never"
    rows = "\n".join(map(_row, figures.cases))
    loads = [run.load for case in figures.cases for run in case.runs] or [0.0]
    return f"""# How the control plane recovers

Written by `{figures.command}`, measured {when} on a lab host:
{figures.machine}.
The machine's load average was between {min(loads):.0f} and {max(loads):.0f}: it has other work too.
Times are in seconds.

![A lane for each fault: when the API answered, and when all was well](recovery.svg)

- A fault is injected into a healthy cluster of one host, and then nobody touches it.
- **Gap**: requests come every 0.1 s, each on a new TLS connection through the door,
  as an administrator by RBAC. It is the longest time from one answer to the next
  in which a request failed; where the limit is 0, not one may fail.
- **All well**: from the end of the injection until what was broken is put back,
  `kubeception status` ends with 0, every pod is ready, and the keeper has nothing to do.
- The host that goes off goes off under writes. There, both times count from its cut or its command,
  and include the time that it takes to boot.
- Where a fault was injected more than once, the median stands first, then the worst.
- What the keeper did is from its journal, with the seconds since the injection began.

| Fault | Gap | Failed | Limit | All well | Limit | The keeper |
| --- | ---: | ---: | ---: | ---: | ---: | --- |
{rows}

{_misses(figures)}"""


def _row(case: Case) -> str:
    failed = max(run.failed for run in case.runs)
    wells = case.wells_s()
    well = _both(wells, many=len(case.runs) > 1) if wells else "never"
    gap = _both(case.gaps_s(), many=len(case.runs) > 1)
    requests = sum(run.requests for run in case.runs)
    count = f"{failed} of {requests}" if requests else ""
    is_over = case.gaps_s()[1] > case.gap_limit_s
    is_late = wells is None or wells[1] > case.well_limit_s
    cells = (
        _name(case),
        f"**{gap}**" if is_over else gap,
        count,
        f"{case.gap_limit_s:g}",
        f"**{well}**" if is_late else well,
        f"{case.well_limit_s:g}",
        _acts(case.worst()),
    )
    return f"| {' | '.join(cells)} |"


def _name(case: Case) -> str:
    notes = []
    if len(case.runs) > 1:
        notes.append(f"{len(case.runs)} times")
    if words := case.worst().words:
        notes.append(words)
    if acknowledged := sum(run.acknowledged for run in case.runs):
        lost = sum(len(run.lost) for run in case.runs)
        notes.append(f"{acknowledged} acknowledged writes, {lost or 'none'} lost")
    return case.name + "".join(f"<br>{note}" for note in notes)


def _both(times: tuple[float, float], *, many: bool) -> str:
    middle, worst = times
    return f"{middle:.1f}, {worst:.1f}" if many else f"{worst:.1f}"


def _acts(run: Run) -> str:
    said = [act for act in run.acts if act.words]
    shown = [_act(act) for act in said[:_ACTS]]
    if more := len(said) - len(shown):
        shown.append(f"and {more} more")
    return "<br>".join(shown) or "nothing"


def _act(act: Act) -> str:
    words = act.words.replace("|", "\\|")
    return f"{act.at_s:.0f}: {words}"


def _misses(figures: Figures) -> str:
    """Return what did not keep to its limits, and why."""
    missed = [case for case in figures.cases if not case.holds()]
    if not missed:
        return "Every one kept to its limits.\n"
    return "What did not keep to its limits:\n\n" + "".join(
        f"- {case.name}: {'; '.join(_why(case))}\n" for case in missed
    )


def _why(case: Case) -> Iterator[str]:
    run = case.worst()
    if run.well_s is None:
        yield f"not well: {', '.join(run.problems)}"
    elif run.well_s > case.well_limit_s:
        yield f"all well after {run.well_s:.1f} s, of {case.well_limit_s:g}"
    if (worst := case.gaps_s()[1]) > case.gap_limit_s:
        yield f"a gap of {worst:.1f} s, of {case.gap_limit_s:g}"
    if lost := sum(len(one.lost) for one in case.runs):
        yield f"{lost} acknowledged writes lost"
