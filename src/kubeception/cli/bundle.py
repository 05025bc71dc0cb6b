"""`kubeception bundle`: build, look at, check and import binaries and images."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from kubeception.cli import options, table
from kubeception.cli.terminal import emit
from kubeception.errors import KubeceptionError
from kubeception.host.gateway import this_host
from kubeception.session import Session
from kubeception.source import Source
from kubeception.versions import BUILT_IN

_DIR = click.Path(path_type=Path, file_okay=False)


@click.group()
def bundle() -> None:
    """Build, check and import binaries and images.

    A bundle is a folder with everything that a host needs for one version of Kubernetes. It lies in
    the cache (~/.cache/kubeception/bundle/MINOR) unless a folder is named.
    """


@bundle.command()
@click.option(
    "--release",
    "minor",
    default=BUILT_IN.minor,
    show_default=True,
    metavar="MINOR",
    help="Which minor of Kubernetes.",
)
@click.option("--output", type=_DIR, help="Build into this folder instead of the cache.")
def build(minor: str, output: Path | None) -> None:
    """Compile and pack what is missing.

    The first time takes minutes and some 14 GiB of disk. After that only what changed is made anew.
    Killed at any moment, it goes on where it was.

    \b
    Example:
      kubeception bundle build --output /srv/bundle
      kubeception bundle build --release 1.36
    """
    from kubeception.bundle import build as building
    from kubeception.bundle import contents

    folder = output or building.default_folder(minor)
    made = building.build(minor, folder.absolute())
    click.echo(f"{made.version} {folder}")
    click.echo(f"sha256 {contents.sum_of(contents.listing(folder))}")


@bundle.command(name="list")
@options.output
@click.option("--root", type=_DIR, help="Look under this folder instead of /.")
def list_(output: str, root: Path | None) -> None:
    """Show the bundles that lie side by side on this host, and which one it uses.

    \b
    Example:
      kubeception bundle list -o json
    """
    from kubeception.bundle import install

    found = install.installed((root or this_host().root).absolute())
    if not found:
        raise KubeceptionError("this host has no bundle", hint="kubeception bundle import DIR")
    if output == "json":
        emit([asdict(one) for one in found])
        return
    rows = ((b.name, b.kubernetes, "yes" if b.in_use else "no", b.problem) for b in found)
    click.echo("\n".join(table.lines(("NAME", "KUBERNETES", "IN USE", "PROBLEM"), rows)))


@bundle.command()
@click.argument("folder", metavar="[DIR]", required=False, type=_DIR)
@options.output
def show(folder: Path | None, output: str) -> None:
    """Show a bundle's versions, images and files, and the SHA-256 of its list.

    That is of bundle.json, which has every file's: it stands for the whole bundle.

    \b
    Example:
      kubeception bundle show -o json
    """
    from kubeception.bundle import contents

    at = _found(folder)
    content = contents.listing(at)
    listed = contents.parse(content, at)
    if output == "json":
        click.echo(listed.text(), nl=False)
        return
    click.echo(f"{listed.version} ({listed.architecture})")
    click.echo(f"sha256 {contents.sum_of(content)}\n")
    for name, version in sorted(listed.components.items()):
        click.echo(f"  {name:<24} {version}")
    click.echo()
    for image in sorted(listed.images.values()):
        click.echo(f"  {image}")
    click.echo()
    for file in listed.files:
        click.echo(f"  {file.path:<36} {file.size / 1e6:>7.1f} MB")
    click.echo(f"  {'':<36} {sum(file.size for file in listed.files) / 1e6:>7.1f} MB")


@bundle.command()
@click.argument("folder", metavar="[DIR]", required=False, type=_DIR)
def verify(folder: Path | None) -> None:
    """Hash every file; nothing of the bundle is run.

    \b
    Example:
      kubeception bundle verify /srv/bundle
    """
    from kubeception.bundle import contents

    at = _found(folder)
    checked = contents.verify(at)
    click.echo(f"{checked.version}: {len(checked.files)} files in {at} are as they were built")


@bundle.command(name="import")
@click.argument("folder", metavar="[DIR]", required=False, type=_DIR)
@click.option("--root", type=_DIR, help="Put it under this folder instead of /.")
@click.option(
    "--sha256",
    metavar="SUM",
    callback=options.sha256,
    help="Take only the bundle with this sum: that of its bundle.json, as build and show print it.",
)
@click.option("--stage", "staged", is_flag=True, help="Don't use it yet, as before an upgrade.")
def import_(folder: Path | None, root: Path | None, sha256: str | None, *, staged: bool) -> None:
    """Put a bundle on this host, below /opt/kubeception.

    The links in /usr/local/bin and /opt/cni/bin turn to it in one step; versions that were there
    before stay. A bundle is as good as where it comes from: hand over its sum by another way.

    With --stage nothing uses it yet, but the container runtime gets its images where it runs: the
    cluster's control plane may go to that release before this host does.

    \b
    Example:
      kubeception bundle import /srv/bundle
      kubeception bundle import /srv/bundle --sha256 "$SUM"
    """
    from kubeception.bundle import contents, install, stage

    to, source = (root or this_host().root).absolute(), _found(folder)
    changes = install.install(source, to, sha256=sha256, staged=staged)
    if staged and root is None:
        with Session(options.loaded(None)) as session:
            changes += stage.prepare(session, contents.load(source).version)
    _tell(changes)


@bundle.command()
@click.argument("url", callback=options.url)
@click.option(
    "--sha256",
    metavar="SUM",
    required=True,
    callback=options.sha256,
    help="That of its bundle.json, as build and show print it.",
)
def fetch(url: str, sha256: str) -> None:
    """Get a bundle from a web server, and put it on this host as `import --stage` does.

    URL is that of the bundle's folder. Nothing is believed that the sum does not prove, so http
    does as well as https. What has come stays where it ends early: run again it goes on. Nothing is
    asked for where the bundle lies on this host already.

    \b
    Example:
      kubeception bundle fetch https://192.0.2.1/bundles/1.37.1 --sha256 "$SUM"
    """
    from kubeception.bundle import fetch as fetching
    from kubeception.bundle import stage

    options.only_root("change this host's bundles", "bundle fetch …")
    with Session(options.loaded(None)) as session:
        name, changes = fetching.fetch(Source(url, sha256), session.host.root)
        _tell([*changes, *stage.prepare(session, name)])


def _tell(changes: Sequence[str]) -> None:
    for change in changes:
        click.echo(change)
    click.echo(f"{len(changes)} changes")


@bundle.command()
@click.option(
    "--keep",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="How many that are not in use stay, the newest first.",
)
@click.option("--root", type=_DIR, help="Look under this folder instead of /.")
def prune(keep: int, root: Path | None) -> None:
    """Remove bundles that this host does not use.

    The one in use stays, and so does the one that was imported last of the others, to go back to.
    `bundle list` shows them. However few are to stay, one that an upgrade goes to, or that
    `upgrade abort` goes back to, does.

    \b
    Example:
      kubeception bundle prune
      kubeception bundle prune --keep 0
    """
    from kubeception.bundle import install
    from kubeception.upgrade import way_back

    at, needed = (root or this_host().root).absolute(), set[str]()
    install.for_root(at)
    if root is None:
        with Session(options.loaded(None), is_patient=False) as session:
            needed = way_back.needed(session)
    changes = install.prune(at, keep=keep, needed=needed)
    for one in install.installed(at):
        if one.name in needed and not one.in_use:
            click.echo(f"{one.name}: stays: an upgrade goes to it, or may be gone back from to it")
    _tell(changes)


def _found(folder: Path | None) -> Path:
    from kubeception.bundle.build import default_folder

    return options.seen(folder or default_folder(BUILT_IN.minor)).absolute()
