"""`kubeception upgrade`: what an upgrade would change, and what forbids it."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubeception.cli import dry_run, options, table
from kubeception.cli.terminal import emit
from kubeception.errors import PreflightError
from kubeception.session import Session

if TYPE_CHECKING:
    from kubeception.upgrade.plan import Plan


@click.group()
def upgrade() -> None:
    """Take the cluster to another release of Kubernetes.

    So far this says what an upgrade would change and what forbids it; it carries none out.
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
