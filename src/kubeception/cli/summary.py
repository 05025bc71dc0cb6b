"""What a run came to, for a person or a program."""

import sys
from typing import TYPE_CHECKING

import click

from kubeception import report
from kubeception.cli.terminal import emit

if TYPE_CHECKING:
    from kubeception.engine import Summary


def document(summary: "Summary", **more: str) -> dict[str, object]:
    """Return what a run came to, as programs read it."""
    return {**more, "changes": summary.changes, "seconds": summary.times}


def show(summary: "Summary", what: str, *, output: str, **more: str) -> None:
    """Tell a person or a program what a run came to; only programs are told more."""
    if output == "json":
        emit(document(summary, **more))
        return
    if not report.is_live(sys.stderr):  # there the list of steps has said it already
        for name, seconds in summary.times.items():
            click.echo(f"{name:<20}{seconds:6.1f}s")
    took = sum(summary.times.values())
    click.echo(f"{what}: {len(summary.times)} phases, {len(summary.changes)} changes, {took:.1f}s")
