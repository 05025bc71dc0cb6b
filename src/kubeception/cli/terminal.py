"""What every command says and asks alike: JSON for programs, and whether a person wants it."""

import json
import shlex
import sys
from collections.abc import Iterable, Sequence

import click

from kubeception.errors import KubeceptionError


def emit(document: object) -> None:
    """Say something as JSON."""
    click.echo(json.dumps(document, indent=2))


def confirm(command: str, what: Iterable[str]) -> None:
    """Go on only if a person says so, who is told what that means; none of it is a result.

    Raises:
        KubeceptionError: nobody does, or there is no terminal to ask on.
    """
    if not sys.stdin.isatty():
        hint = unasked(sys.argv[1:])
        raise KubeceptionError(f"{command}: nobody is there to ask", hint=hint)
    for line in what:
        click.echo(line, err=True)
    if not click.confirm("Go on?", err=True):
        raise KubeceptionError(f"{command}: not wanted; nothing was changed")


def unasked(given: Sequence[str]) -> str:
    """Return the command of these words that does not ask: without one of them it is another."""
    words = [*given]
    # What comes behind -- is no option.
    words.insert(words.index("--") if "--" in words else len(words), "--yes")
    return shlex.join(["kubeception", *words])
