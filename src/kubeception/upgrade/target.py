"""The release that a cluster is to go to: a bundle on this host, and the kubeception in it."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeception.bundle.install import Installed, installed
from kubeception.errors import KubeceptionError, PreflightError
from kubeception.host.gateway import Host
from kubeception.layout import Layout
from kubeception.versions import Release, numbers

# Where this code came from: a bundle's library, or a source tree.
_LIBRARY = Path(__file__).resolve().parents[2]
_STAGE = "kubeception bundle import DIR --stage"


@dataclass(frozen=True)
class Target:
    """A bundle that lies on this host, and what its list says."""

    folder: Path
    """As the host calls it."""
    release: Release

    def program(self, name: str) -> Path:
        """Return where one of its programs is."""
        return self.folder / "bin" / name

    def images(self, host: Host) -> tuple[Path, ...]:
        """Return where the archives of its images lie for this process."""
        return tuple(sorted(host.at(self.folder / "images").glob("*.tar")))


def find(host: Host, asked: str | None) -> Target:
    """Return the bundle of a version of Kubernetes, or of a name; by default the newest one.

    Raises:
        PreflightError: the host has none of it, or several.
    """
    there = [one for one in installed(host.root) if one.kubernetes]
    wanted = [one for one in there if asked is None or asked in _names(one)]
    if not wanted:
        known = ", ".join(one.name for one in there) or "none at all"
        raise PreflightError(
            [f"{asked or 'a newer release'}: this host has no bundle of it; it has {known}"],
            hint=_STAGE,
        )
    newest = max(map(_version, wanted))
    found, *others = [one for one in wanted if _version(one) == newest]
    if others:
        same = (found, *others)
        names = ", ".join(f"{one.name} (in use)" if one.in_use else one.name for one in same)
        what = f"{found.kubernetes}: this host has several bundles of it: {names}"
        raise PreflightError([what], hint="name one of them in the place of the version")
    folder = Layout.bundles / found.name
    return Target(folder, Release.read(host.real(folder)))


def is_named(host: Host, name: str, asked: str) -> bool:
    """Tell whether a bundle on a host, by its name, is what was asked for."""
    return any(one.name == name and asked in _names(one) for one in installed(host.root))


def _version(one: Installed) -> tuple[int, ...]:
    return numbers(one.kubernetes or "")


def _names(one: Installed) -> tuple[str, ...]:
    return one.name, one.kubernetes or "", f"v{one.kubernetes}"


def hand_over(
    target: Target, host: Host, arguments: Sequence[str], *, has_source: bool = False
) -> None:
    """Have the target's own kubeception go on in place of this process, if this one is another.

    So code never renders a release that is newer than itself. Where the arguments name a source,
    code of an earlier version would not know what that is.

    Raises:
        KubeceptionError: there is none in it that could.
    """
    library = host.real(target.folder / "lib/python").resolve()
    if library == _LIBRARY:
        return
    if not (library / "kubeception/upgrade").is_dir():
        raise KubeceptionError(
            f"{target.folder}: its kubeception can't upgrade a cluster", hint="take a later bundle"
        )
    if has_source and not (library / "kubeception/source.py").is_file():
        raise KubeceptionError(
            f"{target.folder}: its kubeception has no hosts fetch a bundle",
            hint=f"on each other host: {_STAGE}; then the same command without --from",
        )
    command = [sys.executable, "-P", "-m", "kubeception", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(library)}
    os.execve(command[0], command, environment)  # noqa: S606 - no shell is wanted
