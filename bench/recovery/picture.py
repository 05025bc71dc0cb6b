"""docs/recovery.svg, drawn from the figures alone: a lane for each fault, in seconds."""

from collections.abc import Iterator
from functools import partial
from html import escape

from bench import svg
from bench.recovery.figures import Case, Figures, Run
from bench.svg import BAR, BOTTOM, LABELS, LANE, TOP, text

# What comes later is not drawn: the lane ends with an arrow.
LAST_S = 240.0
BEFORE_S = 2.0
_MARKS = 12

_x = partial(svg.x, before_s=BEFORE_S)


def picture(figures: Figures) -> str:
    """Return the picture; of a fault that was injected more than once it shows the worst time."""
    end_s = min(LAST_S, max(map(_end, figures.cases), default=1.0))
    bottom = TOP + LANE * len(figures.cases)
    lanes = [
        line
        for number, case in enumerate(figures.cases)
        for line in _lane(case, TOP + LANE * number, end_s)
    ]
    axis = svg.axis(bottom, end_s, zero="fault", before_s=BEFORE_S)
    title = "How the control plane recovers from each fault"
    return svg.document(title, bottom + BOTTOM, [*_legend(), *axis, *lanes])


def _end(case: Case) -> float:
    run = case.worst()
    well_s = case.well_limit_s if run.well_s is None else run.well_s
    return max(run.injected_s + well_s, *(span.end_s for span in run.spans), 1.0)


def _lane(case: Case, top: float, end_s: float) -> Iterator[str]:
    run = case.worst()
    bar = top + (LANE - BAR) / 2
    middle = bar + BAR / 2
    yield text(case.name, LABELS - 10, middle + 4, anchor="end")
    for span in run.spans:
        left, right = _x(span.start_s, end_s), _x(span.end_s, end_s)
        told = f"{span.failed} failed: {span.why}" if span.is_gap else f"{span.answered} answered"
        said = f"{span.start_s:.1f} to {span.end_s:.1f} s: {told}"
        # A gap of one request is still to be seen.
        style, least = ("gap", 1.5) if span.is_gap else ("ok", 0.0)
        yield svg.bar(style, left, right, bar, said, least=least)
    for act in [act for act in run.acts if act.words][:_MARKS]:
        x = _x(act.at_s, end_s)
        yield (
            f'<path class="act" d="M{x:g} {bar:g}l-4 -6h8z">'
            f"<title>{act.at_s:.1f} s: {escape(act.words)}</title></path>"
        )
    limit_s = run.injected_s + case.well_limit_s
    if limit_s <= end_s:
        x = _x(limit_s, end_s)
        yield f'<path class="limit" d="M{x:g} {bar - 5:g}v{BAR + 10:g}"/>'
    yield from _well(run, middle, end_s)


def _well(run: Run, middle: float, end_s: float) -> Iterator[str]:
    if run.well_s is None or run.injected_s + run.well_s > end_s:
        yield f'<path class="well" d="M{_x(end_s, end_s):g} {middle - 5:g}l7 5l-7 5z"/>'
        return
    at_s = run.injected_s + run.well_s
    x = _x(at_s, end_s)
    yield (
        f'<path class="well" d="M{x:g} {middle - 7:g}l5 7l-5 7l-5 -7z">'
        f"<title>all well at {at_s:.1f} s</title></path>"
    )


def _legend() -> Iterator[str]:
    y = 24.0
    yield f'<rect class="ok" x="{LABELS:g}" y="{y - 9:g}" width="18" height="{BAR:g}"/>'
    yield text("the API answers", LABELS + 24, y)
    yield f'<rect class="gap" x="{LABELS + 130:g}" y="{y - 9:g}" width="18" height="{BAR:g}"/>'
    yield text("requests fail", LABELS + 154, y)
    yield f'<path class="act" d="M{LABELS + 250:g} {y - 1:g}l-4 -6h8z"/>'
    yield text("the keeper says something", LABELS + 262, y)
    yield f'<path class="well" d="M{LABELS + 448:g} {y - 11:g}l5 7l-5 7l-5 -7z"/>'
    yield text("all is well", LABELS + 460, y)
    yield f'<path class="limit" d="M{LABELS + 536:g} {y - 14:g}v{BAR + 10:g}"/>'
    yield text("and has to be", LABELS + 546, y)
