"""What commands have in common that work off nodes in batches: their options, and how they ask."""

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import time, timedelta
from typing import TYPE_CHECKING, Any

import click

from kubeception.cli import options, progress
from kubeception.cli.terminal import emit
from kubeception.session import Session

if TYPE_CHECKING:
    from kubeception.render.cluster_upgrade import Order


class _Batch(click.ParamType[int | str]):
    """A number of nodes, or a percentage."""

    name = "batch"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        from kubeception.render.cluster_upgrade import PERCENT

        text = str(value)
        if not re.fullmatch(rf"[1-9]\d{{0,3}}|{PERCENT}", text):
            self.fail(f"{text!r} is no number of nodes such as 2, and no percentage such as 10%")
        return int(text) if text.isdecimal() else text


class _Window(click.ParamType[tuple[time, time]]):
    """Two times of the day."""

    name = "window"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[time, time]:
        from kubeception.render.window import CLOCK

        start, _, end = str(value).partition("-")
        if not (re.fullmatch(CLOCK, start) and re.fullmatch(CLOCK, end)):
            self.fail(f"{value!r} is no window such as 22:00-04:00")
        return time.fromisoformat(start), time.fromisoformat(end)


def _zone(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    from kubeception.render.window import zone_of

    if value is not None and zone_of(value) is None:
        raise click.BadParameter(f"{value!r} is no time zone such as Europe/Berlin")
    return value


def _days(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> tuple[str, ...] | None:
    from kubeception.render.window import DAYS

    days = tuple(dict.fromkeys(value.split(","))) if value is not None else None
    if days is not None and (unknown := [day for day in days if day not in DAYS]):
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(DAYS)}")
    return days


def out_of_bounds(option: str, length: timedelta, *, least_s: int = 0) -> Iterator[str]:
    """Yield why an option can't have a length of time, if so."""
    from kubeception.render.cluster_upgrade import LONGEST_S

    if not least_s <= length.total_seconds() <= LONGEST_S:
        yield f"{option} can be from {least_s}s to {LONGEST_S // 3600}h"


@dataclass(frozen=True)
class Wishes:
    """How nodes are to be worked off, by the command's options."""

    batch: int | str
    drain_timeout: timedelta
    timeout: timedelta
    offline: str
    window: tuple[time, time] | None
    time_zone: str | None
    days: tuple[str, ...] | None
    canary: str | None
    canary_for: timedelta | None
    force: bool
    no_wait: bool

    def __post_init__(self) -> None:
        """Refuse what says nothing by itself, and what the API would refuse."""
        if problems := list(self._problems()):
            raise click.UsageError("\n".join(problems))

    def _problems(self) -> Iterator[str]:
        from kubeception.render.cluster_upgrade import SHORTEST_STEP_S

        if self.window is None and (self.time_zone is not None or self.days is not None):
            yield "--time-zone and --days are of a --window"
        if self.canary is None and self.canary_for is not None:
            yield "--canary-for is of a --canary"
        yield from out_of_bounds("--drain-timeout", self.drain_timeout)
        yield from out_of_bounds("--timeout", self.timeout, least_s=SHORTEST_STEP_S)
        if self.canary_for is not None:
            yield from out_of_bounds("--canary-for", self.canary_for)

    def order(self, **what: Any) -> "Order":
        """Return an order with them."""
        from kubeception.render.cluster_upgrade import CANARY_S, Order
        from kubeception.render.window import UTC_ZONE, Window

        window = self.window and Window(*self.window, self.time_zone or UTC_ZONE, self.days or ())
        return Order(
            batch=self.batch,
            drain_s=int(self.drain_timeout.total_seconds()),
            is_forced=self.force,
            step_s=int(self.timeout.total_seconds()),
            skips_offline=self.offline == "skip",
            window=window,
            canary=self.canary,
            canary_s=CANARY_S if self.canary_for is None else int(self.canary_for.total_seconds()),
            **what,
        )


_OPTIONS: Sequence[Callable[[Any], Any]] = (
    click.option(
        "--batch",
        type=_Batch(),
        default="1",
        show_default=True,
        metavar="N|N%",
        help="How many nodes at a time.",
    ),
    click.option(
        "--drain-timeout",
        type=options.DURATION,
        default="5m",
        show_default=True,
        help="How long a node's pods may take to go.",
    ),
    click.option("--force", is_flag=True, help="Delete pods then that their budgets keep."),
    click.option(
        "--timeout",
        type=options.DURATION,
        default="15m",
        show_default=True,
        help="How long a node may take until it is Ready again.",
    ),
    click.option(
        "--offline",
        type=click.Choice(["stop", "skip"]),
        default="stop",
        show_default=True,
        help="What becomes of a node that is not Ready.",
    ),
    click.option(
        "--window",
        type=_Window(),
        metavar="HH:MM-HH:MM",
        help="Begin batches at this time of the day alone, as 22:00-04:00.",
    ),
    click.option(
        "--time-zone",
        callback=_zone,
        metavar="NAME",
        help="By whose clock, as Europe/Berlin.  [default: UTC]",
    ),
    click.option(
        "--days",
        callback=_days,
        metavar="DAY,…",
        help="On which days the window begins, as Sat,Sun.  [default: all]",
    ),
    click.option(
        "--canary",
        metavar="NODE",
        help="The worker that goes first, by itself, and has to be well before others do.",
    ),
    click.option(
        "--canary-for",
        type=options.DURATION,
        help="For how long.  [default: 10m]",
    ),
    click.option("--no-wait", is_flag=True, help="Ask for it, and don't watch."),
)


def in_batches(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options, which it gets as one `wishes`."""

    @functools.wraps(command)  # options that it has already, too
    def called(**given: Any) -> None:
        wishes = Wishes(**{name: given.pop(name) for name in Wishes.__dataclass_fields__})
        command(wishes=wishes, **given)

    # Options are listed in the order in which they are put on, the last one first.
    for option in reversed(_OPTIONS):
        called = option(called)
    return called


def carry_out(session: Session, order: "Order", *, output: str, is_watched: bool) -> None:
    """Ask for it, and tell what comes of it to its end, or where to look.

    Raises:
        PreflightError: what speaks against it, all of it; nothing was changed.
        KubeceptionError: it did not come to a good end.
    """
    from kubeception.admin import upgrades

    made = upgrades.begin(session, order)
    name = made["metadata"]["name"]
    if is_watched:
        progress.follow(session, name, output=output)
    elif output == "json":
        emit(progress.document(made))
    else:
        click.echo(f"{name}: see kubeception upgrade status --watch")


def say_done(said: str, *, output: str) -> None:
    """Say that there is nothing to do."""
    if output == "json":
        emit({"name": None, "phase": "Succeeded", "message": said, "done": "0/0", "nodes": []})
    else:
        click.echo(f"{said}; nothing was changed")
