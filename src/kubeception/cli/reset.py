"""`kubeception reset`."""

import sys
from pathlib import Path

import click

from kubeception import report
from kubeception.cli import dry_run as dry
from kubeception.cli import options
from kubeception.cli.summary import document
from kubeception.cli.terminal import confirm, emit
from kubeception.session import Session


@click.command()
@options.config_file
@options.output
@click.option(
    "--etcd",
    is_flag=True,
    help="Remove etcd, too, with all that the cluster knows, and its snapshots.",
)
@click.option("--pki", is_flag=True, help="Remove certificates and keys, too, CAs among them.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@dry.option
@click.pass_context
def reset(
    context: click.Context,
    config_file: Path | None,
    output: str,
    etcd: bool,
    pki: bool,
    yes: bool,
    dry_run: bool,
) -> None:
    """Remove what kubeception made of this host, and nothing else.

    The data of etcd and the certificates stay unless asked for; with them the next bootstrap brings
    the same cluster back. Images, the bundle and the configuration always stay. Safe to run again;
    one that was interrupted goes on where it was.

    \b
    Example:
      kubeception reset --etcd --pki --dry-run
      kubeception reset --etcd --pki
    """
    from kubeception import workflows

    options.only_root("reset this host", "reset")
    config = options.loaded(config_file)
    if not (yes or dry_run):
        _ask(etcd=etcd, pki=pki)
    with Session(config, is_patient=not dry_run) as session:
        if dry_run:
            preview = workflows.preview_reset(session, with_etcd=etcd, with_pki=pki)
            dry.end(context, preview, [], output=output)
        summary = workflows.reset(session, with_etcd=etcd, with_pki=pki)
    if output == "json":
        emit(document(summary))
        return
    if not report.is_live(sys.stderr):
        for change in summary.changes:
            click.echo(change)
    click.echo(f"reset: {len(summary.changes)} changes, {sum(summary.times.values()):.1f}s")


def _ask(*, etcd: bool, pki: bool) -> None:
    said = (
        "This ends every pod of the cluster on this host and takes kubeception off it.",
        f"  etcd, all that the cluster knows, and its snapshots: {_becomes(is_removed=etcd)}",
        f"  certificates and keys:                               {_becomes(is_removed=pki)}",
    )
    confirm("reset", said)


def _becomes(*, is_removed: bool) -> str:
    return "removed, for good" if is_removed else "kept"
