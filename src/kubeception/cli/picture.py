"""A status as people and programs see it: lines of text, a JSON document, a live picture.

Pure: what is shown was read by `status.look`, and is shown by `cli/status.py`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from kubeception import timestamp
from kubeception.admin.status import CheckResult, FirstToExpire, Status, Versions
from kubeception.errors import KubeceptionError

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

GROUP_WIDTH = 13
# As many turns as a picture has room for.
LATELY = 5


class Mark(StrEnum):
    """How something stands, at a glance."""

    WELL = "✓"
    SOON = "!"
    BAD = "✗"

    @property
    def color(self) -> str:
        """The color that says the same."""
        return {Mark.WELL: "green", Mark.SOON: "yellow", Mark.BAD: "red"}[self]


@dataclass(frozen=True)
class Turn:
    """Something that has become otherwise between two looks."""

    at: datetime
    mark: Mark | None
    words: str


@dataclass(frozen=True)
class Seen:
    """What one of several looks has seen, and since when each problem stands, by group and name.

    `found` is None where nothing could be seen, and `error` says why. What stood already at
    `began`, the first look, may have stood for longer than anybody watched. `lately` are the last
    turns, the newest at the end.
    """

    at: datetime
    began: datetime
    found: Status | None = None
    error: KubeceptionError | None = None
    since: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    lately: tuple[Turn, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether all of it holds."""
        return self.found is not None and self.found.healthy

    def has_changed(self, before: "Seen | None") -> bool:
        """Whether there is anything new since the look before."""
        if before is None:
            return True
        return (self.found, str(self.error)) != (before.found, str(before.error))


def first(found: Status | KubeceptionError, at: datetime) -> Seen:
    """Return the first look of a watch."""
    return following(Seen(at, at), found, at)


def following(before: Seen, found: Status | KubeceptionError, at: datetime) -> Seen:
    """Put a look after the one before it; a problem that stood then goes on standing."""
    if isinstance(found, KubeceptionError):
        return replace(before, at=at, found=None, error=found)
    bad = [(check.group, check.what) for check in found.checks if check.problem]
    return replace(
        before,
        at=at,
        found=found,
        error=None,
        since={key: before.since.get(key, at) for key in bad},
        lately=(*before.lately, *_turns(before, found, at))[-LATELY:],
    )


def _turns(before: Seen, found: Status, at: datetime) -> Iterator[Turn]:
    """Yield what has become otherwise; many checks that break for one reason are one turn."""
    if before.found is None:
        return
    if before.found.door != found.door:
        yield Turn(at, None, f"the door: {before.found.door or '-'} → {found.door or '-'}")
    new = [c for c in found.checks if c.problem and (c.group, c.what) not in before.since]
    for reason in dict.fromkeys(check.problem for check in new):
        alike = [check.what for check in new if check.problem == reason]
        yield Turn(at, Mark.BAD, f"{_few(alike)}: {reason}")
    mended = [c for c in found.checks if not c.problem and (c.group, c.what) in before.since]
    if mended:
        took = at - min(before.since[check.group, check.what] for check in mended)
        yield Turn(at, Mark.WELL, f"{_few([c.what for c in mended])}, after {length(took)}")


def _few(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} checks"


def length(of: timedelta) -> str:
    """Return a length of time by its two largest units, such as 12s, 3m 04s or 2d 1h."""
    seconds = max(0, int(of.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days}d {hours % 24}h"
    if hours:
        return f"{hours}h {minutes % 60:02}m"
    return f"{minutes}m {seconds % 60:02}s" if minutes else f"{seconds}s"


def header(found: Status) -> Iterator[tuple[str, Mark | None, str]]:
    """Yield what is told besides the checks: a name, a mark if it needs one, and the words."""
    if found.worker_of is None:
        yield "keeper", None, found.keeper
    for notice in found.notices:
        yield "notice", Mark.SOON, notice
    yield "versions", None, _versions(found.versions)
    yield "certificates", *_certificates(found.certificates)
    if found.worker_of is not None:
        return
    of = found.revisions
    yield "revision", None, f"{of.proven} is proven, since {of.proven_since}" if of.proven else "-"
    kept = found.snapshots
    yield "snapshots", None, f"{kept.kept}, the last at {kept.taken}" if kept.last else "-"
    if kept.problem:
        yield "snapshots", Mark.SOON, f"the last try failed {kept.problem}"
    if of.put_back:
        yield "put back", Mark.SOON, f"at {of.put_back_since}: {of.because}"
    for opened in found.opened:
        yield "webhooks", Mark.SOON, f"{opened} is ignored, since nobody answered for it"


def lines(found: Status) -> Iterator[str]:
    """Yield the status as text; colors are for click to leave out where they don't belong."""
    behind = f"port {found.door}" if found.door else "nowhere"
    what = f"a worker of {found.worker_of}" if found.worker_of else f"the door leads to {behind}"
    yield f"node {found.node} ({found.address}), {what}"
    for name, mark, words in header(found):
        yield f"{name}: {_styled(mark)} {words}" if mark else f"{name}: {words}"
    for check in found.checks:
        mark = Mark.BAD if check.problem else Mark.WELL
        words = f": {check.problem}" if check.problem else ""
        yield f"{_styled(mark)} {check.group:<{GROUP_WIDTH}}{check.what}{words}"


def document(found: Status) -> dict[str, Any]:
    """Return the status as programs read it."""
    return {**asdict(found), "healthy": found.healthy}


def picture(look: Seen, *, is_folded: bool = False) -> "RenderableType":
    """Return the live picture; folded, each group is as few lines as tell its problems."""
    from rich import box
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    mark = Mark.WELL if look.healthy else Mark.BAD
    title = "kubeception"
    body: RenderableType = Text("\n".join(look.error.lines()) if look.error else "looking …")
    below = Table.grid(padding=(0, 2))
    below.add_column(width=GROUP_WIDTH + 1, style="bold")
    if look.found is not None:
        title = f"{look.found.node} · {look.found.address}"
        body = Table.grid(padding=(0, 2))
        body.add_column(width=GROUP_WIDTH - 1, style="bold")
        if look.found.worker_of:
            body.add_row("worker of", _line(None, look.found.worker_of))
        else:
            body.add_row("door", _door(look.found.door))
        for name, its_mark, words in header(look.found):
            body.add_row(name, _line(its_mark, words))
        for group, checks in groupby(look.found.checks, lambda check: check.group):
            below.add_row(f"  {group}", Group(*_rows(list(checks), look, is_folded=is_folded)))
    if look.lately:
        turns = [_line(t.mark, t.words, before=f"{t.at:%H:%M:%S} ") for t in look.lately]
        below.add_row("\n  lately", Group("", *turns))
    panel = Panel(
        body,
        title=Text(f" {mark} {title} ", f"bold {mark.color}"),
        title_align="left",
        subtitle=Text(f" {timestamp.text(look.at)} ", "dim"),
        subtitle_align="right",
        border_style=mark.color,
        box=box.ROUNDED,
    )
    return Group(panel, below)


def _rows(checks: list[CheckResult], look: Seen, *, is_folded: bool) -> "Iterator[RenderableType]":
    """Yield a group's problems, and then what holds."""
    from rich.columns import Columns
    from rich.text import Text

    bad = [check for check in checks if check.problem]
    for reason, same in groupby(bad, lambda check: check.problem):
        alike = list(same)
        for some in [alike] if is_folded else [[check] for check in alike]:
            what = some[0].what if len(some) == 1 else f"{len(some)} of {len(checks)}"
            yield _line(Mark.BAD, f"{what}: {reason}", after=f"  {_stood(some, look)}")
    fine = [check.what for check in checks if not check.problem]
    if fine and is_folded:
        many = f"{'the other' if bad else 'all'} {len(fine)}"
        yield _line(Mark.WELL, fine[0] if len(fine) == 1 else many)
    elif fine:
        columns = [Text.assemble((f"{Mark.WELL} ", Mark.WELL.color), what) for what in fine]
        yield Columns(columns, equal=True, padding=(0, 2))


def _stood(alike: list[CheckResult], look: Seen) -> str:
    """Say for how long the oldest of some problems stands."""
    since = min(look.since[check.group, check.what] for check in alike)
    over = "over " if since == look.began else ""
    return f"for {over}{length(look.at - since)}"


def _line(mark: Mark | None, words: str, *, before: str = "", after: str = "") -> "Table":
    """Return a line whose words stay beside its mark when they need more than one."""
    from rich.table import Table
    from rich.text import Text

    parts = [Text(before, "dim")] if before else []
    if mark:
        parts.append(Text(f"{mark} ", mark.color))
    line = Table.grid()
    line.add_row(*parts, Text.assemble(words, (after, "dim")))
    return line


def _styled(mark: Mark) -> str:
    return click.style(mark, fg=mark.color)


def _door(port: int) -> "Table":
    return _line(None, f"6443 → {port}") if port else _line(Mark.BAD, "leads nowhere")


def _versions(of: Versions) -> str:
    told = {
        "Kubernetes": of.kubernetes,
        "kubelet": of.kubelet,
        "etcd": of.etcd,
        "containerd": of.containerd,
        "kubeception": of.kubeception,
    }
    return ", ".join(f"{name} {version or '-'}" for name, version in told.items())


def _certificates(of: FirstToExpire) -> tuple[Mark | None, str]:
    if of.days is None:
        return None, "-"
    if of.days < 0:
        return Mark.BAD, f"{of.first} expired at {of.expires}"
    days = f"{of.days} day" if of.days == 1 else f"{of.days} days"
    return Mark.SOON if of.is_near else None, f"{days} until {of.first} expires"
