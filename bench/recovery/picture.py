"""docs/recovery.svg, drawn from the figures alone: a lane for each fault, in seconds."""

from collections.abc import Iterator
from html import escape

from bench.recovery.figures import Case, Figures, Run

WIDTH, LABELS, MARGIN = 1000.0, 330.0, 20.0
LANE, BAR, TOP, BOTTOM = 26.0, 10.0, 56.0, 30.0
# What comes later is not drawn: the lane ends with an arrow.
LAST_S = 240.0
BEFORE_S = 2.0
_STEPS_S = (1, 2, 5, 10, 20, 30, 60)
_MARKS = 12

# A picture that a page shows can't know the page's colours, only whether the reader wants dark.
_STYLE = """\
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.faint { fill: #656d76 } .line { stroke: #d1d9e0 } .ok { fill: #2da44e } .gap { fill: #cf222e }
.act { fill: #0969da } .well { fill: #1f2328 } .limit { stroke: #656d76; stroke-dasharray: 2 2 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .faint { fill: #9198a1 } .line { stroke: #3d444d } .ok { fill: #3fb950 }
.gap { fill: #f85149 } .act { fill: #58a6ff } .well { fill: #e6edf3 } .limit { stroke: #9198a1 } }
"""


def picture(figures: Figures) -> str:
    """Return the picture; of a fault that was injected more than once it shows the worst time."""
    end_s = min(LAST_S, max(map(_end, figures.cases), default=1.0))
    bottom = TOP + LANE * len(figures.cases)
    lanes = [
        line
        for number, case in enumerate(figures.cases)
        for line in _lane(case, TOP + LANE * number, end_s)
    ]
    parts = [*_legend(), *_axis(bottom, end_s), *lanes]
    height = bottom + BOTTOM
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:g}" '
        f'width="{WIDTH:g}" height="{height:g}" role="img">\n'
        "<title>How the control plane recovers from each fault</title>\n"
        f"<style>\n{_STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _end(case: Case) -> float:
    run = case.worst()
    well_s = case.well_limit_s if run.well_s is None else run.well_s
    return max(run.injected_s + well_s, *(span.end_s for span in run.spans), 1.0)


def _x(at_s: float, end_s: float) -> float:
    room = WIDTH - LABELS - MARGIN
    shown_s = min(max(at_s, -BEFORE_S), end_s)
    return round(LABELS + room * (shown_s + BEFORE_S) / (end_s + BEFORE_S), 1)


def _lane(case: Case, top: float, end_s: float) -> Iterator[str]:
    run = case.worst()
    bar = top + (LANE - BAR) / 2
    middle = bar + BAR / 2
    yield _text(case.name, LABELS - 10, middle + 4, anchor="end")
    for span in run.spans:
        left, right = _x(span.start_s, end_s), _x(span.end_s, end_s)
        # A gap of one request is still to be seen.
        width = max(right - left, 1.5 if span.is_gap else 0.0)
        told = f"{span.failed} failed: {span.why}" if span.is_gap else f"{span.answered} answered"
        yield (
            f'<rect class="{"gap" if span.is_gap else "ok"}" x="{left:g}" y="{bar:g}" '
            f'width="{width:.1f}" height="{BAR:g}">'
            f"<title>{span.start_s:.1f} to {span.end_s:.1f} s: {escape(told)}</title></rect>"
        )
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


def _axis(bottom: float, end_s: float) -> Iterator[str]:
    step = next((s for s in _STEPS_S if end_s / s <= 12), _STEPS_S[-1])
    for at_s in range(0, int(end_s) + 1, step):
        x = _x(at_s, end_s)
        yield f'<path class="line" d="M{x:g} {TOP - 4:g}V{bottom:g}"/>'
        words = f"{at_s} s" if at_s else "fault"
        yield _text(words, x, bottom + 18, anchor="middle", style="faint")


def _legend() -> Iterator[str]:
    y = 24.0
    yield f'<rect class="ok" x="{LABELS:g}" y="{y - 9:g}" width="18" height="{BAR:g}"/>'
    yield _text("the API answers", LABELS + 24, y)
    yield f'<rect class="gap" x="{LABELS + 130:g}" y="{y - 9:g}" width="18" height="{BAR:g}"/>'
    yield _text("requests fail", LABELS + 154, y)
    yield f'<path class="act" d="M{LABELS + 250:g} {y - 1:g}l-4 -6h8z"/>'
    yield _text("the keeper says something", LABELS + 262, y)
    yield f'<path class="well" d="M{LABELS + 448:g} {y - 11:g}l5 7l-5 7l-5 -7z"/>'
    yield _text("all is well", LABELS + 460, y)
    yield f'<path class="limit" d="M{LABELS + 536:g} {y - 14:g}v{BAR + 10:g}"/>'
    yield _text("and has to be", LABELS + 546, y)


def _text(words: str, x: float, y: float, *, anchor: str = "start", style: str = "words") -> str:
    return (
        f'<text class="{style}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>'
    )
