"""`kubeception upgrade`: what one would change, what forbids it, and how far one is."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubeception.cli import dry_run, options, progress, table
from kubeception.cli.terminal import emit
from kubeception.errors import PreflightError
from kubeception.session import Session

if TYPE_CHECKING:
    from kubeception.upgrade.plan import Plan


@click.group()
def upgrade() -> None:
    """Take the cluster to another release of Kubernetes, or its nodes through a reboot.

    `plan` says what an upgrade would change and what forbids it; none is carried out so far. The
    others are about what `kubeception node reboot` has asked for.
    """


@upgrade.command()
@click.argument("version", required=False)
@options.config_file
@options.output
@click.pass_context
def plan(
    context: click.Context, version: str | None, config_file: Path | None, output: str
) -> None:
    """Say what an upgrade would change, in order, and what forbids it; change nothing.

    VERSION is one of Kubernetes, or the name of a bundle that `bundle list` shows; by default the
    newest on this host. Its own kubeception answers. Ends with 3 if something forbids the upgrade.

    \b
    Example:
      kubeception bundle import DIR --stage
      kubeception upgrade plan 1.37.1
    """
    from kubeception.upgrade import cluster_state, target
    from kubeception.upgrade import plan as planning

    options.only_root("look at all that an upgrade needs", "upgrade plan")
    with Session(options.loaded(config_file)) as session:
        wanted = target.find(session.host, version)
        given = ["--config", str(config_file)] if config_file else []
        arguments = ["upgrade", "plan", wanted.folder.name, "--output", output, *given]
        target.hand_over(wanted, session.host, arguments)
        found = planning.of(cluster_state.inspect(session, wanted))
    if output == "json":
        emit({"allowed": found.is_allowed, **asdict(found)})
    else:
        _show(found)
    context.exit(0 if found.is_allowed else PreflightError.exit_code)


@upgrade.command()
@click.option("--watch", is_flag=True, help="Tell what is new until its end.")
@options.output
@options.config_file
def status(output: str, config_file: Path | None, *, watch: bool) -> None:
    """Say how far it is that is under way, or how the last one ended.

    With --watch it ends with 1 where a node failed, or it was aborted.

    \b
    Example:
      kubeception upgrade status --watch
    """
    options.only_root("reach the cluster's keys", "upgrade …")
    from kubeception.admin import upgrades

    with Session(options.loaded(config_file)) as session:
        found = upgrades.latest(session)
        if found and watch:
            progress.follow(session, found["metadata"]["name"], output=output)
        elif output == "json":
            emit(progress.document(found) if found else None)
        elif found:
            progress.show(found)
        else:
            click.echo("nothing was asked for yet; see: kubeception node reboot --help")


@upgrade.command()
@options.config_file
def pause(config_file: Path | None) -> None:
    """Let no further batch begin; the one at hand is finished.

    \b
    Example:
      kubeception upgrade pause
    """
    _changed(config_file, "no further batch begins", paused=True)


@upgrade.command()
@options.config_file
def resume(config_file: Path | None) -> None:
    """Go on with the next batch.

    \b
    Example:
      kubeception upgrade resume
    """
    _changed(config_file, "goes on", paused=False)


@upgrade.command()
@options.config_file
def abort(config_file: Path | None) -> None:
    """End it: nodes that were not told to reboot yet take pods again, the others are waited for.

    \b
    Example:
      kubeception upgrade abort
    """
    _changed(config_file, "ends as soon as no host is down", aborted=True)


def _changed(config_file: Path | None, said: str, **wanted: bool) -> None:
    options.only_root("reach the cluster's keys", "upgrade …")
    from kubeception.admin import upgrades

    with Session(options.loaded(config_file)) as session:
        click.echo(f"{upgrades.change(session, **wanted)}: {said}")


def _show(found: "Plan") -> None:
    click.echo(f"Kubernetes {found.before} to {found.after} (bundle {found.bundle})")
    if found.steps:
        click.echo()
        rows = ((step.what, step.before, step.after) for step in found.steps)
        for line in table.lines(("IN THIS ORDER", "NOW", "THEN"), rows):
            click.echo(f"  {line}")
        click.echo()
    for line in dry_run.of_findings(found.findings):
        click.echo(line)
    errors = sum(one.severity == "error" for one in found.findings)
    may = "may begin" if found.is_allowed else f"forbidden by {errors}"
    click.echo(f"upgrade plan: {may}, {len(found.findings) - errors} warnings, nothing was changed")
