"""`kubeception keeper …`: the host service, and its pause."""

from datetime import UTC, datetime, timedelta

import click

from kubeception import timestamp
from kubeception.cli import options
from kubeception.host import lock
from kubeception.host import pause as pauses
from kubeception.host.gateway import this_host


@click.group()
def keeper() -> None:
    """Bring the control plane back when it cannot help itself (a host service).

    bootstrap installs and starts it as kubeception-keeper.service; so does join, on a worker, where
    it looks after the host and its kubelet.
    """


@keeper.command()
def run() -> None:
    """Watch over this host and its control plane, for ever."""
    from kubeception.keeper import loop
    from kubeception.session import Session

    options.only_root("keep a control plane alive", "keeper run")
    with Session(options.loaded()) as session:
        loop.run(session)


@keeper.command()
@click.option("--for", "length", type=options.DURATION, default="30m", show_default=True)
def pause(length: timedelta) -> None:
    """Have the keeper stand back for a while, at most until the next boot.

    \b
    Example:
      kubeception keeper pause --for 2h
    """
    options.only_root("pause the keeper", "keeper pause")
    until = datetime.now(UTC) + length
    host, layout = this_host(), options.loaded().layout
    pauses.begin(host.at(layout.keeper), until)
    lock.interrupt(host.at(layout.lock), "kubeception keeper pause")
    click.echo(f"the keeper stands back until {timestamp.text(until)}")


@keeper.command()
def resume() -> None:
    """Have the keeper go on."""
    options.only_root("have the keeper go on", "keeper resume")
    pauses.end(this_host().at(options.loaded().layout.keeper))
    click.echo("the keeper goes on")
