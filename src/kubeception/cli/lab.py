"""`kubeception lab …`: hosts on this machine, their power buttons, and a way in."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from kubeception.cli.options import only_root
from kubeception.cli.terminal import emit

if TYPE_CHECKING:
    from kubeception.lab import Host, Lab

Command = TypeVar("Command", bound=Callable[..., object])

_name = click.option("--name", default="lab", show_default=True, help="Which lab.")


def _hosts(command: Command) -> Command:
    """Let a command take hosts by name, or all."""
    command = click.option("--all", "every", is_flag=True, help="All hosts of the lab.")(command)
    return click.argument("hosts", nargs=-1, metavar="[HOST]...")(command)


@click.group()
def lab() -> None:
    """Real systemd hosts on this machine, for trying and testing.

    A lab is one control-plane host, cp1, and workers w1, w2 …, on a network of their own that
    leads nowhere. Each has a disk that a power cut really loses unsynced data from.
    """


@lab.command()
@_name
@click.option("--workers", type=int, default=0, show_default=True, help="How many workers.")
@click.option("--bare", is_flag=True, help="Hosts only: no bundle on them, no cluster.")
@click.option("--no-bootstrap", is_flag=True, help="Hosts with the bundle on them, no cluster.")
@click.option("--bundle", type=click.Path(path_type=Path), help="The bundle's folder.")
def up(name: str, workers: int, bare: bool, no_bootstrap: bool, bundle: Path | None) -> None:
    """Make and boot what is missing, bootstrap a cluster on cp1, and have the workers join it.

    \b
    Example:
      kubeception lab up --workers 2
    """
    from kubeception.bundle.build import default_folder
    from kubeception.versions import BUILT_IN

    if bare and bundle is not None:
        raise click.UsageError("--bare hosts have no bundle")
    made = _lab(name)
    folder = bundle or default_folder(BUILT_IN.minor)
    made.up(workers=workers, bundle=None if bare else folder.absolute())
    if not bare and not no_bootstrap:
        made.bootstrap()
        made.join()


@lab.command()
@_name
def down(name: str) -> None:
    """Remove the hosts and all that the lab made on this machine."""
    _lab(name).down()


@lab.command()
@_name
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
def hosts(name: str, output: str) -> None:
    """List the hosts: name, role, address, state, pid of their PID 1."""
    rows = [
        {
            "name": host.name,
            "role": host.role,
            "address": host.address,
            "state": host.state(),
            "pid": host.leader(),
        }
        for host in _lab(name).hosts()
    ]
    if output == "json":
        emit(rows)
        return
    form = "{name:6} {role:14} {address:14} {state:10} {pid}"
    click.echo(form.format(name="NAME", role="ROLE", address="ADDRESS", state="STATE", pid="PID"))
    for row in rows:
        click.echo(form.format(**{**row, "pid": row["pid"] or "-"}))


@lab.command(context_settings={"ignore_unknown_options": True})
@_name
@click.argument("host")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(name: str, host: str, command: tuple[str, ...]) -> None:
    """Run a command on a host: its input, output and exit code are this one's."""
    _become(_lab(name).host(host), *command)


@lab.command()
@_name
@click.argument("host")
def shell(name: str, host: str) -> None:
    """Open a login shell on a host, with a terminal of the host's own."""
    # The terminal that we have is none of the host's; `script` opens one there and passes it on.
    _become(_lab(name).host(host), "script", "--quiet", "--return", "-c", "bash -l", "/dev/null")


@lab.command()
@_name
@_hosts
def boot(name: str, hosts: tuple[str, ...], every: bool) -> None:
    """Switch hosts on, and wait until their systemd answers on D-Bus."""
    chosen = _chosen(name, hosts, every=every)
    for host in chosen:
        host.start()
    for host in chosen:
        host.wait_up()


@lab.command()
@_name
@_hosts
def power_cut(name: str, hosts: tuple[str, ...], every: bool) -> None:
    """Take the power away: what a host has not synced to its disk is lost."""
    for host in _chosen(name, hosts, every=every):
        host.power_cut()


@lab.command()
@_name
@_hosts
def reboot(name: str, hosts: tuple[str, ...], every: bool) -> None:
    """Have hosts reboot themselves, and wait until they are back."""
    for host in _chosen(name, hosts, every=every):
        host.reboot()


def _lab(name: str) -> "Lab":
    from kubeception.lab import Lab

    only_root("make and reach hosts of a lab", "lab …")
    return Lab(name)


def _chosen(name: str, hosts: tuple[str, ...], *, every: bool) -> "list[Host]":
    found = _lab(name)
    if bool(hosts) == every:
        raise click.UsageError("name the hosts, or say --all")
    return found.hosts() if every else [found.host(host) for host in hosts]


def _become(host: "Host", *command: str) -> None:
    """Turn this process into the command, so that signals, terminal and exit code are its own."""
    terminal = os.environ.get("TERM")
    argv = host.command(*command, env=[f"TERM={terminal}"] if terminal else [])
    os.execvp(argv[0], argv)  # noqa: S606 - no shell is wanted
