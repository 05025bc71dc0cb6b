"""`kubeception etcd …`: what etcd's unit asks before it starts, and tells when it has ended."""

import importlib
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubeception.errors import KubeceptionError

if TYPE_CHECKING:
    from kubeception.facts import Identity
    from kubeception.host.gateway import Host

# For as long a start waits for what is in its way to go, such as a disk that isn't mounted yet.
PATIENCE_S = 20.0
_LOOK_EVERY_S = 0.5

_FILE = click.Path(path_type=Path)
_data_dir = click.option(
    "--data-dir", "data_dir", type=_FILE, required=True, help="The folder of etcd's data."
)
_record = click.option(
    "--record", type=_FILE, required=True, help="What this host remembers of itself."
)
_progress = click.option(
    "--progress", type=_FILE, required=True, help="The note of how far the data were seen to go."
)


# What people call, and etcd's unit never waits to be imported.
_OF_SNAPSHOTS = ("list", "restore", "snapshot")


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted((*super().list_commands(ctx), *_OF_SNAPSHOTS))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _OF_SNAPSHOTS:
            return super().get_command(ctx, cmd_name)
        module = importlib.import_module("kubeception.cli.snapshots")
        command: click.Command = getattr(module, f"{cmd_name}_")
        return command


@click.group(cls=_Commands)
def etcd() -> None:
    """Take snapshots of etcd, list them, and guard its data.

    The keeper takes a snapshot every hour. `may-start` and `stopped` are called by etcd's unit.
    """


@etcd.command(name="may-start")
@_data_dir
@click.option("--settings", type=_FILE, required=True, help="etcd's environment file.")
@_record
@_progress
@click.pass_context
def may_start(
    context: click.Context, data_dir: Path, settings: Path, record: Path, progress: Path
) -> None:
    """Say whether etcd may start on the data that are there; end with 3 if it may not.

    Without the data that this host has had, an etcd would make an empty cluster in their place.
    While something is in the way it waits a moment: a disk may be on its way.

    \b
    Example:
      kubeception etcd may-start --data-dir /var/lib/etcd/default.etcd \\
        --settings /etc/kubernetes/etcd.env --record /etc/kubeception/member.json \\
        --progress /var/lib/kubeception/etcd-progress.json
    """
    from kubeception.errors import PreflightError

    _only_root("may-start")
    told: list[tuple[str, str]] = []
    deadline = time.monotonic() + PATIENCE_S
    while found := problems(data_dir, settings, record, progress):
        if found != told:
            told = found
            for line in PreflightError([p for p, _ in found], hints=[h for _, h in found]).lines():
                click.echo(line, err=True)
        if time.monotonic() > deadline:
            context.exit(PreflightError.exit_code)
        time.sleep(_LOOK_EVERY_S)


@etcd.command()
@_data_dir
@_record
@_progress
def stopped(data_dir: Path, record: Path, progress: Path) -> None:
    """Note how far etcd's data go, so that older ones are told from them.

    Data of another cluster than this host's are not noted: they were refused.

    \b
    Example:
      kubeception etcd stopped --data-dir /var/lib/etcd/default.etcd \\
        --progress /var/lib/kubeception/etcd-progress.json
    """
    from kubeception.etcd import data
    from kubeception.host.gateway import this_host
    from kubeception.kept import identity

    _only_root("stopped")
    host = this_host()
    folder = host.real(data_dir)
    known = identity.read(host.real(record))
    there = data.stored(folder)
    if there and known and known.cluster == there.cluster:
        seen = identity.Progress(there.cluster, data.last_index(folder))
        identity.note_progress(host.real(progress), seen)


def _only_root(command: str) -> None:
    """Go on only as root; not by `options`, which loads the configuration's modules."""
    from kubeception.errors import PreflightError
    from kubeception.host import kernel

    if not kernel.is_root():
        raise PreflightError(
            ["only root can read etcd's data"], hint=f"sudo kubeception etcd {command} …"
        )


def problems(data_dir: Path, settings: Path, record: Path, progress: Path) -> list[tuple[str, str]]:
    """Return what is in the way of a start, each with the way on."""
    from kubeception.etcd import data, guard
    from kubeception.host.gateway import this_host
    from kubeception.kept import identity
    from kubeception.layout import OUR_MARK
    from kubeception.render import etcd as rendered

    host = this_host()
    try:
        text = host.real(settings).read_text(errors="replace")
    except OSError as error:
        text, problem = "", (error.strerror or str(error)).lower()
    else:
        problem = guard.settings_problem(text, mark=OUR_MARK, wanted=rendered.REQUIRED) or ""
    if problem:
        return [(f"{settings}: {problem}", "kubeception bootstrap writes it")]
    known, witness = identity.recall(host, record, settings)
    folder = host.real(data_dir)
    there = data.stored(folder)
    went = identity.progress(host.real(progress))
    index, seen = None, 0
    if there and there.cluster == went.cluster:
        index, seen = data.last_index(folder), went.index
    remains = guard.Remains(data_dir, there, index, known, witness, seen)
    if any(guard.losses(remains)):
        remains = replace(remains, way_back=_way_back(host, known))
    return [(str(loss), loss.hint) for loss in guard.losses(remains)]


def _way_back(host: "Host", known: "Identity | None") -> str:
    """Say how the last good snapshot is restored, "" where there is none that is surely ours."""
    from kubeception import versions
    from kubeception.kept import snapshots, taking
    from kubeception.layout import Layout

    own = known.authorities.get("ca") if known else None
    if not own:
        return ""
    authority = taking.authority_of(own.encode())
    try:
        release = versions.of(host.at(Layout.bundles / "current"))
    except KubeceptionError:
        return ""
    last = snapshots.last_good(host.at(Layout.snapshots), authority, release)
    return snapshots.way_back(last) if last else ""
