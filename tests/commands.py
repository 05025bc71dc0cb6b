"""Every command that there is, each with words that it takes: read from the commands themselves."""

from collections.abc import Iterator
from pathlib import Path

import click

from kubeception import cli

# Where a word has to be of some form, by the name of the parameter.
_FORMS = {
    "url": "https://192.0.2.1:6443",
    "api": "https://192.0.2.1:6443",
    "endpoints": "https://192.0.2.1:6443",
    "sha256": "ab" * 32,
}
# One of several options is wanted, none by itself.
_CHOICES = {"create": ["--any-node"]}


def leaves() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield each command that does something, by its words."""
    for name in cli.COMMANDS:
        command = cli.root.get_command(click.Context(cli.root), name)
        assert command is not None
        yield from _below((name,), command)


def words(command: click.Command, file: Path) -> list[str]:
    """Return what a command has to be given; where it wants a file that is there, that one."""
    given: list[str] = []
    for parameter in command.params:
        is_file = isinstance(parameter.type, click.Path) and parameter.type.exists
        if not parameter.required and not is_file:
            continue
        value = str(file) if is_file else _FORMS.get(parameter.name or "", "x")
        given += [value] if isinstance(parameter, click.Argument) else [parameter.opts[0], value]
    return given + _CHOICES.get(command.name or "", [])


def _below(
    words: tuple[str, ...], command: click.Command
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        yield words, command
        return
    for name, inner in command.commands.items():
        yield from _below((*words, name), inner)
