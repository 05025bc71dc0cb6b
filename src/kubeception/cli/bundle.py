"""`kubeception bundle`: build, look at, check and import binaries and images."""

from dataclasses import asdict
from pathlib import Path

import click

from kubeception.cli import options, table
from kubeception.cli.terminal import emit
from kubeception.errors import KubeceptionError
from kubeception.host.gateway import this_host
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
    "--kubernetes", "minor", default=BUILT_IN.minor, show_default=True, help="Which minor."
)
@click.option("--output", type=_DIR, help="Build into this folder instead of the cache.")
def build(minor: str, output: Path | None) -> None:
    """Compile and pack what is missing.

    The first time takes minutes and some 14 GiB of disk. After that only what changed is made anew.
    Killed at any moment, it goes on where it was.

    \b
    Example:
      kubeception bundle build --output /srv/bundle
    """
    from kubeception.bundle import build as building

    folder = output or building.default_folder(minor)
    made = building.build(minor, folder.absolute())
    click.echo(f"{made.version} {folder}")


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
        raise KubeceptionError("this host has no bundle", hint="kubeception bundle import")
    if output == "json":
        emit([asdict(one) for one in found])
        return
    rows = ((b.name, b.kubernetes, "yes" if b.in_use else "no", b.problem) for b in found)
    click.echo("\n".join(table.lines(("NAME", "KUBERNETES", "IN USE", "PROBLEM"), rows)))


@bundle.command()
@click.argument("folder", metavar="[DIR]", required=False, type=_DIR)
@options.output
def show(folder: Path | None, output: str) -> None:
    """Show a bundle's versions, images and files.

    \b
    Example:
      kubeception bundle show -o json
    """
    from kubeception.bundle import contents

    listed = contents.load(_found(folder))
    if output == "json":
        click.echo(listed.text(), nl=False)
        return
    click.echo(f"{listed.version} ({listed.architecture})\n")
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
    """Hash every file and ask every program for its version.

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
def import_(folder: Path | None, root: Path | None) -> None:
    """Put a bundle on this host, below /opt/kubeception.

    The links in /usr/local/bin and /opt/cni/bin turn to it in one step; versions that were there
    before stay.

    \b
    Example:
      kubeception bundle import /srv/bundle
    """
    from kubeception.bundle import install

    changes = install.install(_found(folder), (root or this_host().root).absolute())
    for change in changes:
        click.echo(change)
    click.echo(f"{len(changes)} changes")


def _found(folder: Path | None) -> Path:
    from kubeception.bundle.build import default_folder

    return options.seen(folder or default_folder(BUILT_IN.minor)).absolute()
