"""`kubeception upgrade`: what one would change, what forbids it, one itself, how far it is."""

import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubeception.cli import dry_run, options, progress, table
from kubeception.cli.batch import Wishes, carry_out, in_batches, say_done
from kubeception.cli.terminal import confirm, emit
from kubeception.errors import PreflightError
from kubeception.session import Session, on_control_plane
from kubeception.source import Source

if TYPE_CHECKING:
    from kubeception.render.cluster_upgrade import Order
    from kubeception.upgrade.plan import Plan


@click.group()
def upgrade() -> None:
    """Take the cluster to another release, or its nodes through a reboot or a program of yours.

    `plan` says what an upgrade would change and what forbids it, and `apply` carries it out. The
    others are about what is under way, `kubeception node reboot` and `kubeception node run` too.
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
    from kubeception.admin import upgrades
    from kubeception.upgrade import cluster_state, target
    from kubeception.upgrade import plan as planning

    options.only_root("look at all that an upgrade needs", "upgrade plan")
    with on_control_plane(options.loaded(config_file)) as session:
        wanted = target.find(session.host, version)
        given = ["--config", str(config_file)] if config_file else []
        arguments = ["upgrade", "plan", wanted.folder.name, "--output", output, *given]
        target.hand_over(wanted, session.host, arguments)
        found = planning.of(cluster_state.inspect(session, wanted))
        there = session.api.list("Node")
        left = upgrades.not_on(wanted.folder.name, wanted.release.kubernetes, there)
    if output == "json":
        emit({"allowed": found.is_allowed, **asdict(found)})
    else:
        _show(found)
        errors = sum(one.severity == "error" for one in found.findings)
        what = "may begin" if left else "nothing is left to do"
        may = what if found.is_allowed else f"forbidden by {errors}"
        warnings = len(found.findings) - errors
        click.echo(f"upgrade plan: {may}, {warnings} warnings, nothing was changed")
    context.exit(0 if found.is_allowed else PreflightError.exit_code)


@upgrade.command(short_help="Carry an upgrade out")
@click.argument("version", required=False)
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option(
    "--no-drain",
    "keeps_pods",
    is_flag=True,
    help="Neither cordon nodes nor move their pods.",
)
@click.option(
    "--from",
    "url",
    metavar="URL",
    callback=options.url,
    help="The bundle's folder on a web server: hosts that lack it get it there.",
)
@click.option(
    "--sha256",
    metavar="SUM",
    callback=options.sha256,
    help="That of its bundle.json, as bundle build and show print it.",
)
@in_batches
@options.output
@options.config_file
def apply(
    version: str | None,
    url: str | None,
    sha256: str | None,
    wishes: Wishes,
    output: str,
    config_file: Path | None,
    *,
    yes: bool,
    keeps_pods: bool,
) -> None:
    """Take the cluster to another release, control-plane hosts first, then workers in batches.

    To an earlier one workers go first.

    VERSION is one of Kubernetes, or the name of a bundle that `bundle list` shows; by default the
    newest on this host. Every host has to have its bundle: `bundle import DIR --stage`, there; or
    --from names where this host gets it first, and the others before anything else is done. The
    plan is made first, and a snapshot of etcd taken. A node is cordoned and emptied as disruption
    budgets allow, then its keeper brings its host to the release. Where there is but one node, pods
    stay where they are. After a batch in which a node failed nothing more begins.

    The cluster does it, so it goes on when this command ends: Ctrl-C only stops watching. See
    `kubeception upgrade status`, `pause`, `resume` and `abort`. Run again it goes on with what is
    left. Exit code 1 says that a node failed or that it was aborted, 3 what forbids it before
    anything is changed.

    \b
    Example:
      kubeception bundle import DIR --stage
      kubeception upgrade apply 1.37.1 --batch 2
      kubeception upgrade apply --from https://192.0.2.1/1.37.1 --sha256 "$SUM"
    """
    if (url is None) != (sha256 is None):
        raise click.UsageError("--from and --sha256 go together")
    from kubeception.admin import upgrades
    from kubeception.kept import snapshots, taking
    from kubeception.upgrade import cluster_state, target
    from kubeception.upgrade import plan as planning

    options.only_root("take the cluster to another release", "upgrade apply")
    with on_control_plane(options.loaded(config_file)) as session:
        source = Source(url, sha256) if url and sha256 else None
        if source:
            version = _fetched(session, source, asked=version)
        wanted = target.find(session.host, version)
        target.hand_over(wanted, session.host, sys.argv[1:], has_source=source is not None)
        release = wanted.folder.name
        there = session.api.list("Node")
        nodes = upgrades.not_on(release, wanted.release.kubernetes, there)
        if not nodes:
            say_done(f"every node runs {release}", output=output)
            return
        state = cluster_state.inspect(session, wanted)
        here = state.present.version if state.present else None
        order = wishes.order(
            nodes=nodes,
            release=release,
            previous=upgrades.previous(session, release, here),
            source=source,
            keeps_pods=keeps_pods or len(there) == 1,
        )
        found = planning.of(state)
        found = replace(found, findings=upgrades.passed_over(order, found.findings))
        upgrades.require(session, order, found.findings)
        if output != "json":
            _show(found)
        if not yes:
            confirm("upgrade apply", _meaning(order))
        taking.take(session, snapshots.Kind.MANUAL)
        carry_out(session, order, output=output, is_watched=not wishes.no_wait)


def _fetched(session: Session, source: Source, *, asked: str | None) -> str:
    """Have this host get a bundle, and its runtime the images; return the bundle's name.

    Raises:
        PreflightError: it is not the version that was asked for.
    """
    from kubeception.bundle import fetch, stage
    from kubeception.upgrade import target

    name, _ = fetch.fetch(source, session.host.root)
    if asked is not None and not target.is_named(session.host, name, asked):
        hint = "leave the version out, or name the URL and the sum of that one"
        raise PreflightError([f"{source.url}: has {name} instead of {asked}"], hint=hint)
    stage.prepare(session, name)
    return name


def _meaning(order: "Order") -> Iterator[str]:
    yield ""
    yield f"This takes {len(order.nodes)} nodes to {order.release}: control-plane hosts first, or"
    yield "last where that is an earlier one."
    if order.keeps_pods:
        yield "  pods: stay; those of the control plane are replaced"
    else:
        yield "  pods of a node: evicted before its turn, as their disruption budgets allow"
    if order.source:
        yield f"  hosts that lack its bundle: get it first, from {order.source.url}"
    yield "  a snapshot of etcd: taken before"


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

    with on_control_plane(options.loaded(config_file)) as session:
        found = upgrades.latest(session)
        if found and watch:
            progress.follow(session, found["metadata"]["name"], output=output)
        elif output == "json":
            emit(progress.document(found) if found else None)
        elif found:
            progress.show(found)
        else:
            click.echo("nothing was asked for yet; see: kubeception upgrade apply --help")


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
    """End it: nodes whose hosts were not asked yet take pods again, the others are waited for.

    Hosts that have gone to another release go back to the one before, workers first; so they do
    from an upgrade that has stopped, or is over and has not proven itself yet. Between minors the
    control plane passes for the one before until then; afterwards nothing leads back.

    \b
    Example:
      kubeception upgrade abort
      kubeception upgrade status --watch
    """
    options.only_root("reach the cluster's keys", "upgrade …")
    from kubeception.admin import upgrades

    with on_control_plane(options.loaded(config_file)) as session:
        click.echo(upgrades.abort(session))


def _changed(config_file: Path | None, said: str, **wanted: bool) -> None:
    options.only_root("reach the cluster's keys", "upgrade …")
    from kubeception.admin import upgrades

    with on_control_plane(options.loaded(config_file)) as session:
        click.echo(f"{upgrades.change(session, **wanted)}: {said}")


def _show(found: "Plan") -> None:
    click.echo(f"Kubernetes {found.before} to {found.after} (bundle {found.bundle})")
    if not found.steps:
        click.echo("no component is of another version there")
    else:
        click.echo()
        rows = ((step.what, step.before, step.after) for step in found.steps)
        for line in table.lines(("IN THIS ORDER", "NOW", "THEN"), rows):
            click.echo(f"  {line}")
        click.echo()
    for line in dry_run.of_findings(found.findings):
        click.echo(line)
