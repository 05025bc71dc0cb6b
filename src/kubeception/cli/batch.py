"""What commands have in common that work off nodes in batches: their options, and how they ask."""

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
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


@dataclass(frozen=True)
class Wishes:
    """How nodes are to be worked off, by the command's options."""

    batch: int | str
    drain_timeout: timedelta
    timeout: timedelta
    offline: str
    force: bool
    no_wait: bool

    def order(self, **what: Any) -> "Order":
        """Return an order with them."""
        from kubeception.render.cluster_upgrade import Order

        return Order(
            batch=self.batch,
            drain_s=int(self.drain_timeout.total_seconds()),
            is_forced=self.force,
            step_s=int(self.timeout.total_seconds()),
            skips_offline=self.offline == "skip",
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
