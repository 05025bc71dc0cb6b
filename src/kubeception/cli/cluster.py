"""`kubeception preflight`, `bootstrap` and `recover`."""

from dataclasses import asdict
from pathlib import Path

import click

from kubeception.cli import dry_run as dry
from kubeception.cli import options
from kubeception.cli.summary import show
from kubeception.cli.terminal import emit
from kubeception.errors import PreflightError
from kubeception.facts import Accept
from kubeception.session import Session, on_control_plane


@click.command()
@options.config_file
@options.output
@click.pass_context
def preflight(context: click.Context, config_file: Path | None, output: str) -> None:
    """Name every problem that this host has, with a hint; change nothing.

    Ends with 3 if there is an error, something that bootstrap would surely break on.

    \b
    Example:
      kubeception preflight -o json
    """
    from kubeception import preflight as checks

    with Session(options.loaded(config_file), is_attended=True) as session:
        # As a bootstrap by the same person would, or a join on a host that has joined.
        found = checks.look(session, worker=session.layout.membership.exists())
    errors = sum(finding.severity is checks.Severity.ERROR for finding in found)
    if output == "json":
        emit({"ok": not errors, "findings": [asdict(f) for f in found]})
    else:
        for line in dry.of_findings(found):
            click.echo(line)
        click.echo(f"preflight: {errors} errors, {len(found) - errors} warnings")
    context.exit(PreflightError.exit_code if errors else 0)


@click.command()
@options.config_file
@options.output
@click.option("--rebuild", is_flag=True, help="Go the whole way even if nothing differs.")
@click.option(
    "--force-conflicts", is_flag=True, help="Take back our fields that somebody else changed."
)
@click.option(
    "--rename", is_flag=True, help="Have the node take the name that the host has by now."
)
@click.option(
    "--accept",
    "accepted",
    multiple=True,
    metavar="LOSS",
    type=click.Choice([one.value for one in Accept]),
    help="Go on in spite of a loss that bootstrap has named, and give up what it says; every pod "
    "of the host is started anew. Once for each loss.",
)
@click.option("--by-keeper", is_flag=True, hidden=True)
@dry.option
@click.pass_context
def bootstrap(
    context: click.Context,
    config_file: Path | None,
    output: str,
    rebuild: bool,
    force_conflicts: bool,
    rename: bool,
    accepted: tuple[str, ...],
    by_keeper: bool,
    dry_run: bool,
) -> None:
    """Make this host's control plane run inside the cluster.

    Safe to run again at any time, whatever state the cluster is in: what is as wanted is left
    alone, and what isn't is mended. What is lost of a cluster that this host has had, its data or
    its CAs, is never made anew, unless by --accept.

    \b
    Example:
      kubeception bootstrap --config distros/debian.toml --dry-run
      kubeception bootstrap --config distros/debian.toml
    """
    from kubeception import workflows

    if dry_run:
        options.only_root("compare all of this host", "bootstrap --dry-run")
    with Session(
        options.loaded(config_file),
        force_conflicts=force_conflicts,
        accepted=frozenset(map(Accept, accepted)),
        is_renaming=rename,
        is_patient=not dry_run,
        is_attended=not by_keeper,
    ) as session:
        if dry_run:
            problems, preview = workflows.preview_bootstrap(
                session, rebuild=rebuild, source=config_file
            )
            dry.end(context, preview, problems, output=output)
        summary = workflows.bootstrap(session, rebuild=rebuild, source=config_file)
    show(summary, "bootstrap", output=output)


@click.command()
@options.config_file
@options.output
@click.option(
    "--from",
    "source",
    type=click.Choice(["api", "revisions", "etcd", "snapshot"]),
    help="A live API server, a kept revision of it, etcd alone, or a snapshot of etcd.  "
    "[default: the first there is of the first three]",
)
@click.option(
    "--snapshot", metavar="NAME", help="Which one, by name or path.  [default: the last good one]"
)
@click.option("--yes", is_flag=True, help="Don't ask, though etcd is well.")
def recover(
    config_file: Path | None, output: str, source: str | None, snapshot: str | None, yes: bool
) -> None:
    """Bring the control plane back by hand, and say what it used.

    What the keeper does by itself, for a host whose keeper is paused or at its end. Safe to run
    again at any time. From a snapshot, which gives up what was written since, only people recover,
    and only where they say so.

    \b
    Example:
      kubeception recover --from etcd
      kubeception recover --from snapshot
      kubeception recover --from snapshot --snapshot hourly-20261128T060000Z
    """
    from kubeception import workflows
    from kubeception.cli.snapshots import restored

    options.only_root("bring the control plane back", "recover")
    if source == "snapshot":
        with on_control_plane(options.loaded(config_file), is_attended=True) as session:
            restored(session, snapshot, "recover --from snapshot", output=output, yes=yes)
        return
    if snapshot or yes:
        raise click.UsageError("--snapshot and --yes go with --from snapshot")
    asked = workflows.Source(source) if source else None
    with on_control_plane(options.loaded(config_file)) as session:
        used, summary = workflows.recover(session, source=asked)
    what = f"recover, from {workflows.WHAT_THEY_ARE[used]}"
    show(summary, what, output=output, source=used.value)
