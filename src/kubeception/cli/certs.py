"""`kubeception certs …`: what the certificates of this host are like, and renewing them."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubeception.cli import options, table
from kubeception.cli.terminal import emit
from kubeception.session import Session

if TYPE_CHECKING:
    from kubeception.certificates import Row

_HEAD = ("NAME", "DAYS", "EXPIRES", "ISSUER", "PROBLEM", "FILE")


@click.group()
def certs() -> None:
    """Check the certificates of this host, and renew them.

    Both work while no API answers.
    """


@certs.command()
@options.config_file
@options.output
@click.pass_context
def check(context: click.Context, config_file: Path | None, output: str) -> None:
    """Say of every certificate of this host how long it holds, and what is wrong with it.

    Ends with 0 only if nothing is. Changes nothing.

    \b
    Example:
      kubeception certs check -o json
    """
    from kubeception import certificates

    options.only_root("read the keys of this host", "certs check")
    with Session(options.loaded(config_file)) as session:
        rows = certificates.look(session)
    ok = bool(rows) and not any(row.problem for row in rows)
    if output == "json":
        told = {"ok": ok, "certificates": [asdict(row) for row in rows]}
        emit(told)
    elif rows:
        click.echo("\n".join(table.lines(_HEAD, map(_cells, rows))))
    else:
        click.echo("there is no certificate on this host")
    context.exit(0 if ok else 1)


@certs.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "is_all", is_flag=True, help="Renew every one but the CAs.")
@options.config_file
@options.output
def renew(names: tuple[str, ...], is_all: bool, config_file: Path | None, output: str) -> None:
    """Issue certificates anew for the keys that are there.

    Without a NAME: those that have less than 30 days left, and those that won't do. CAs never
    are. What reads a certificate only at its start is started anew. Safe to run again at any time.

    \b
    Example:
      kubeception certs renew apiserver etcd/server
    """
    from kubeception import workflows
    from kubeception.pki import catalog

    config = options.loaded(config_file)
    known = [*catalog.names(config), catalog.KUBELETS_OWN]
    if names and is_all:
        raise click.UsageError("give either names or --all")
    if unknown := [name for name in names if name not in known]:
        are = "is no certificate" if len(unknown) == 1 else "are no certificates"
        raise click.UsageError(
            f"{', '.join(unknown)} {are} that can be renewed; these can: {', '.join(known)}"
        )
    options.only_root("renew certificates of this host", "certs renew")
    asked = catalog.names(config) if is_all else names
    with Session(config) as session:
        summary = workflows.renew(session, asked=frozenset(asked))
    if output == "json":
        told = {"changes": summary.changes, "seconds": summary.times}
        emit(told)
        return
    for change in summary.changes:
        click.echo(change)
    if not summary.changes:
        click.echo("nothing to renew")


def _cells(row: "Row") -> tuple[str | None, ...]:
    days = None if row.days is None else str(row.days)
    return row.name, days, row.expires, row.issuer, row.problem or "ok", row.file
