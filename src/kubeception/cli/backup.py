"""`kubeception backup` and `restore`."""

from pathlib import Path

import click

from kubeception import backups, workflows
from kubeception.cli import options
from kubeception.cli.snapshots import asked_if_well
from kubeception.cli.summary import show
from kubeception.errors import KubeceptionError, PreflightError
from kubeception.host import files, sealing
from kubeception.host.gateway import this_host
from kubeception.session import Session, on_control_plane, refuse_worker

_FILE = click.Path(path_type=Path, dir_okay=False)


def _recipients(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    for value in values:
        if problem := sealing.problem(value):
            raise click.BadParameter(problem)
    return values


@click.group(invoke_without_command=True)
@options.config_file
@click.option(
    "--recipient",
    "recipients",
    multiple=True,
    metavar="KEY",
    callback=_recipients,
    help="The public key that it is sealed to, such as age1…; once for each who may open it.",
)
@click.option("--output", "to", type=_FILE, metavar="FILE", help="Where to write it.")
@click.pass_context
def backup(
    context: click.Context, config_file: Path | None, recipients: tuple[str, ...], to: Path | None
) -> None:
    """Seal a snapshot of etcd, with the CAs and all that gives this cluster back, to a public key.

    Only the private key opens it: keep that elsewhere, and the file, too. The format is age's; the
    content is a tar.

    \b
    Example:
      kubeception backup keygen /root/backup.key
      kubeception backup --recipient age1… --output /mnt/backup/today.age
    """
    if context.invoked_subcommand:
        return
    if not recipients or to is None:
        raise click.UsageError("--recipient and --output say for whom, and where to")
    options.only_root("read the keys of this cluster", "backup")
    with on_control_plane(options.loaded(config_file)) as session:
        at = this_host().at(to.absolute())
        made = backups.make(session, recipients, at)
        revision = made.record.revision if made.record else 0
        click.echo(f"{to}: {at.stat().st_size} bytes, revision {revision}")
        click.echo(f"sha256 {files.digest(at)}")


@backup.command()
@click.argument("keyfile", type=_FILE)
def keygen(keyfile: Path) -> None:
    """Write a new private key to KEYFILE, and say which public key to seal backups to.

    \b
    Example:
      kubeception backup keygen /root/backup.key
    """
    at = this_host().at(keyfile.absolute())
    if at.exists() or at.is_symlink():
        raise KubeceptionError(f"{keyfile}: is there already", hint="choose another name")
    private, public = sealing.new_key()
    files.write(at, f"# public key: {public}\n{private}\n", mode=0o600)
    click.echo(public)


@click.command()
@options.output
@click.argument("file", type=_FILE)
@click.option(
    "--identity", "key", type=_FILE, required=True, metavar="KEYFILE", help="The private key."
)
@click.option("--sha256", metavar="SUM", help="Take no other file than the one of this sum.")
@click.option("--yes", is_flag=True, help="Don't ask, though etcd is well.")
def restore(output: str, file: Path, key: Path, sha256: str | None, yes: bool) -> None:
    """Give the cluster of a backup back: on a fresh host, or on one of the same cluster.

    The host has the address of the one that is replaced, and a bundle. Workers stay joined. A file
    that was changed is refused before anything is written. Whoever has the public key could make
    another backup for you, though: --sha256 takes the one alone whose sum `backup` told. A run that
    fails in between is run again.

    \b
    Example:
      kubeception bundle import
      kubeception restore /mnt/backup/today.age --identity /root/backup.key
    """
    options.only_root("restore a cluster", "restore")
    host = this_host()
    refuse_worker(host)
    at, private = options.seen(file), options.seen(key)
    if sha256 is not None and (found := files.digest(at)) != sha256.lower():
        raise PreflightError([f"{file}: is another file: its sha256 is {found}"])
    with backups.opened(host, at, private) as found_in:
        asked = found_in.config if backups.is_fresh(host) else options.loaded()
        with Session(asked, is_attended=True) as session:
            asked_if_well(session, "restore", found_in.snapshot.taken, yes=yes)
            summary = workflows.restore_backup(session, found_in)
    show(summary, "restore", output=output)
