"""Pieces of a picture with a lane for each of several things, in seconds from left to right."""

from collections.abc import Iterator
from html import escape

WIDTH, LABELS, MARGIN = 1000.0, 330.0, 20.0
LANE, BAR, TOP, BOTTOM = 26.0, 10.0, 56.0, 30.0
_STEPS_S = (1, 2, 5, 10, 20, 30, 60)

# A picture that a page shows can't know the page's colours, only whether the reader wants dark.
_STYLE = """\
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.faint { fill: #656d76 } .line { stroke: #d1d9e0 } .ok { fill: #2da44e } .gap { fill: #cf222e }
.act { fill: #0969da } .well { fill: #1f2328 } .limit { stroke: #656d76; stroke-dasharray: 2 2 }
.before { fill: #afb8c1 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .faint { fill: #9198a1 } .line { stroke: #3d444d } .ok { fill: #3fb950 }
.gap { fill: #f85149 } .act { fill: #58a6ff } .well { fill: #e6edf3 } .limit { stroke: #9198a1 }
.before { fill: #656c76 } }
"""


def document(title: str, height: float, parts: list[str]) -> str:
    """Return a whole picture."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:g}" '
        f'width="{WIDTH:g}" height="{height:g}" role="img">\n'
        f"<title>{escape(title)}</title>\n"
        f"<style>\n{_STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def axis(bottom: float, end_s: float, *, zero: str, before_s: float) -> Iterator[str]:
    """Yield lines for moments from 0 on, which has a name, to the end."""
    step = next((s for s in _STEPS_S if end_s / s <= 12), _STEPS_S[-1])
    for at_s in range(0, int(end_s) + 1, step):
        at = x(at_s, end_s, before_s=before_s)
        yield f'<path class="line" d="M{at:g} {TOP - 4:g}V{bottom:g}"/>'
        yield text(f"{at_s} s" if at_s else zero, at, bottom + 18, anchor="middle", style="faint")


def x(at_s: float, end_s: float, *, before_s: float) -> float:
    """Return where a moment is, of those from a while before 0 to the end."""
    room = WIDTH - LABELS - MARGIN
    shown_s = min(max(at_s, -before_s), end_s)
    return round(LABELS + room * (shown_s + before_s) / (end_s + before_s), 1)


def bar(style: str, left: float, right: float, top: float, told: str, *, least: float = 0) -> str:
    """Return a bar of a lane, at least so wide, which tells more to whoever points at it."""
    return (
        f'<rect class="{style}" x="{left:g}" y="{top:g}" width="{max(right - left, least):.1f}" '
        f'height="{BAR:g}"><title>{escape(told)}</title></rect>'
    )


def text(words: str, at: float, y: float, *, anchor: str = "start", style: str = "words") -> str:
    """Return words in a picture."""
    return (
        f'<text class="{style}" x="{at:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>'
    )
