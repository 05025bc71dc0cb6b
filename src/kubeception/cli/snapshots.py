"""`kubeception etcd snapshot`, `list` and `restore`."""

import os
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import click

from kubeception import restoring, timestamp, workflows
from kubeception.cli import options, table
from kubeception.cli.picture import length
from kubeception.cli.summary import show
from kubeception.cli.terminal import confirm, emit
from kubeception.errors import KubeceptionError
from kubeception.host.gateway import this_host
from kubeception.kept import snapshots, taking
from kubeception.kept.snapshots import Snapshot
from kubeception.session import Session, on_control_plane

_FILE = click.Path(path_type=Path)


@dataclass(frozen=True)
class Row:
    """A snapshot as the list tells it; `problem` is why it is none to restore here, or None."""

    name: str
    taken: str
    age_s: int
    size: int
    revision: int | None
    kubernetes: str | None
    cluster: str | None
    verified: bool
    problem: str | None


@click.command(name="snapshot")
@options.config_file
@click.option(
    "--output",
    "to",
    type=_FILE,
    help="Put it there, and its record beside it.  [default: among this host's snapshots]",
)
@click.option("--by-keeper", is_flag=True, hidden=True)
def snapshot_(config_file: Path | None, to: Path | None, by_keeper: bool) -> None:
    """Take a verified snapshot of the etcd that runs here.

    It holds every object of the cluster, Secrets in clear text among them; it is root's alone to
    read. It holds neither CAs nor keys: `kubeception backup` adds these.

    \b
    Example:
      kubeception etcd snapshot
      kubeception etcd snapshot --output /mnt/backup/before-the-change.db
    """
    options.only_root("read etcd's data", "etcd snapshot")
    if by_keeper:
        os.nice(10)  # whatever else runs here goes first
    kind = snapshots.Kind.HOURLY if by_keeper else snapshots.Kind.MANUAL
    with on_control_plane(options.loaded(config_file)) as session:
        at = this_host().at(to.absolute()) if to else None
        made = taking.take(session, kind, to=at)
        revision = made.record.revision if made.record else 0
        click.echo(f"{session.host.named(made.path)}: {made.size} bytes, revision {revision}")


@click.command(name="list")
@options.config_file
@options.output
def list_(config_file: Path | None, output: str) -> None:
    """List this host's snapshots, the newest first, each read through and compared with its hash.

    \b
    Example:
      kubeception etcd list
      kubeception etcd list -o json
    """
    options.only_root("read etcd's snapshots", "etcd list")
    with Session(options.loaded(config_file)) as session:
        now = session.host.clock.now()
        rows = [_row(session, one, now) for one in snapshots.look(session.layout.snapshots)]
        if not rows:  # those that are there are told, whatever the host is by now
            session.require_control_plane()
    if output == "json":
        emit({"snapshots": [asdict(row) for row in rows]})
        return
    head = ("NAME", "AGE", "SIZE", "REVISION", "KUBERNETES", "STATE")
    for line in table.lines(head, map(_cells, rows)):
        click.echo(line)


def _problem(session: Session, one: Snapshot) -> str | None:
    """Say why a snapshot is not one to restore here, or None."""
    if damage := snapshots.damage(one):
        return f"damaged: {damage}"
    if one.record is None:
        return "has no record: nothing says whose it is"
    try:
        is_ours = one.record.authority == taking.authority(session)
    except KubeceptionError:
        return None
    return None if is_ours else f"of another cluster, {one.record.cluster}"


def _row(session: Session, one: Snapshot, now: datetime) -> Row:
    problem, record = _problem(session, one), one.record
    return Row(
        one.name,
        timestamp.text(one.taken),
        int((now - one.taken).total_seconds()),
        one.size,
        record.revision if record else None,
        record.kubernetes if record else None,
        record.cluster if record else None,
        problem is None,
        problem,
    )


def _cells(row: Row) -> tuple[str | None, ...]:
    age = length(timedelta(seconds=row.age_s))
    size = f"{row.size / (1 << 20):.1f} MiB"
    revision = str(row.revision) if row.revision else None
    return row.name, age, size, revision, row.kubernetes, row.problem or "verified"


@click.command(name="restore")
@options.config_file
@options.output
@click.argument("name")
@click.option(
    "--accept-cluster",
    "accepted",
    metavar="ID",
    help="Restore another cluster's snapshot: the id that the refusal tells.",
)
@click.option("--yes", is_flag=True, help="Don't ask, though etcd is well.")
def restore_(
    config_file: Path | None, output: str, name: str, accepted: str | None, yes: bool
) -> None:
    """Give the cluster back as the snapshot NAME has it, one of the list or a path.

    What was written since is given up. etcd's data of today are put aside, with `.old` behind
    their names. Every pod of this host is started anew. Workers stay joined, and whoever watches
    the API lists it anew. A run that fails in between is run again.

    \b
    Example:
      kubeception etcd restore hourly-20261128T060000Z
      kubeception etcd restore /mnt/backup/before-the-change.db --yes
    """
    options.only_root("restore etcd's data", "etcd restore")
    with on_control_plane(options.loaded(config_file), is_attended=True) as session:
        restored(session, name, f"etcd restore {name}", output=output, accepted=accepted, yes=yes)


def restored(
    session: Session,
    name: str | None,
    command: str,
    *,
    output: str,
    accepted: str | None = None,
    yes: bool,
) -> None:
    """Restore a snapshot, by default the last good one; where etcd is well, a person says so."""
    snapshot = restoring.chosen(session, name)
    restoring.require(session, snapshot, accepted=accepted)
    asked_if_well(session, command, snapshot.taken, yes=yes)
    summary = workflows.restore(session, snapshot, accepted=accepted)
    show(summary, f"restore, of {snapshot.name}", output=output, snapshot=snapshot.name)


def asked_if_well(session: Session, command: str, taken: datetime, *, yes: bool) -> None:
    """Where etcd is well, go on only if a person says so.

    Raises:
        KubeceptionError: nobody does.
    """
    if yes or session.etcd.problem() is not None:
        return
    said = (
        f"etcd is well. This gives up all that was written after {timestamp.text(taken)},",
        "ends every pod of this host and starts the control plane anew.",
    )
    confirm(command, said)
