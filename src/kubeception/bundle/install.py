"""Put a bundle on a host: safe to run again, and whole or not at all.

Images stay files here; whoever starts containerd imports them.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kubeception.bundle import contents, output, python
from kubeception.bundle.contents import Bundle
from kubeception.config import Config
from kubeception.errors import KubeceptionError, PreflightError
from kubeception.host import files, lock
from kubeception.layout import Layout
from kubeception.versions import LISTING, Release


@dataclass(frozen=True)
class Installed:
    """A bundle on a host, or what is wrong with it."""

    name: str
    kubernetes: str | None
    in_use: bool
    problem: str | None


# Programs that a host or its user calls by name; the others have no business on its PATH.
LAUNCHERS = (
    "containerd",
    "containerd-shim-runc-v2",
    "crictl",
    "ctr",
    "etcd",
    "etcdctl",
    "etcdutl",
    "kubectl",
    "kubelet",
    "runc",
)
# -P: the folder that somebody happens to stand in is no place to import from.
_LAUNCHER = """#!/bin/sh
# kubeception, from the bundle in use.
PYTHONPATH={library} exec {interpreter} -P -m kubeception "$@"
"""


def install(source: Path, root: Path = Path("/"), *, linked: bool = False) -> list[str]:
    """Put the bundle in folder `source` on the host below `root`, and return what changed.

    It lies beside those that were there before, and is in use from now on. One that is there
    already isn't copied again, unless its list can't be read.
    With `linked` its files are hard links, for a root that nobody writes to.

    Raises:
        Locked: somebody else is changing this host.
        PreflightError: this isn't root, or files that aren't ours stand where launchers belong.
        KubeceptionError: there is no bundle, or a file of it is damaged.
    """
    if root == Path("/") and os.geteuid() != 0:
        raise PreflightError(["only root can put a bundle on this host"], hint="sudo, or --root")
    bundle = contents.load(source)
    here = Config().layout.at(root)
    folder = here.bundles / bundle.version
    copied = []
    with lock.hold(here.lock, "kubeception bundle import"):
        links = _checked_links(bundle, root)
        if _problem(folder):
            _copy(source, bundle, folder, linked=linked)
            copied = [f"{folder}: {len(bundle.files)} files"]
        return [*copied, *_use(bundle, root, links)]


def installed(root: Path = Path("/")) -> list[Installed]:
    """Return the bundles that lie side by side on the host below `root`."""
    here = Config().layout.at(root)
    used = here.bundle.readlink().name if here.bundle.is_symlink() else ""
    folders = {path.parent for path in here.bundles.glob(f"[!.]*/{LISTING}")} - {here.bundle}
    return [
        Installed(
            folder.name,
            None if (problem := _problem(folder)) else Release.read(folder).kubernetes,
            folder.name == used,
            problem,
        )
        for folder in sorted(folders)
    ]


def _problem(folder: Path) -> str | None:
    """Say why a folder is no bundle; one that is there was whole when it got its name."""
    try:
        Release.read(folder)
    except KubeceptionError as error:
        return error.message
    return None


def _use(bundle: Bundle, root: Path, links: Mapping[Path, Path]) -> Iterator[str]:
    """Have a host go by a bundle that lies on it, and yield what changes."""
    host = Config().layout
    here = host.at(root)
    # Relative, so that it holds under any root.
    if not here.bundle.is_symlink() or here.bundle.readlink() != Path(bundle.version):
        files.link(here.bundle, Path(bundle.version))
        yield f"{here.bundle}: turned to {bundle.version}"
    for at, target in links.items():
        if not at.is_symlink():
            files.link(at, target)
            yield f"{at}: linked"
    launcher = here.launchers / "kubeception"
    text = _LAUNCHER.format(library=host.bundle / "lib/python", interpreter=bundle.python)
    if not launcher.exists() or launcher.read_text() != text:
        files.write(launcher, text, mode=0o755)
        yield f"{launcher}: written"


def _checked_links(bundle: Bundle, root: Path) -> dict[Path, Path]:
    """Return where links lie below `root` and lead to.

    Raises:
        PreflightError: files that aren't ours are in their places.
    """
    links = {root / at.relative_to("/"): to for at, to in _links(bundle, Config().layout)}
    strangers = [
        f"{at}: is there already, and not from a bundle"
        for at, target in links.items()
        if os.path.lexists(at) and not (at.is_symlink() and at.readlink() == target)
    ]
    if strangers:
        raise PreflightError(strangers, hint="move them away, then import again")
    return links


def _links(bundle: Bundle, host: Layout) -> Iterator[tuple[Path, Path]]:
    for file in bundle.files:
        name = Path(file.path).name
        if file.path.startswith("bin/cni/"):
            yield host.cni.plugins / name, host.bundle / file.path
        elif name in LAUNCHERS:
            yield host.launchers / name, host.bundle / file.path


def _copy(source: Path, bundle: Bundle, folder: Path, *, linked: bool) -> None:
    """Copy a bundle, and check it before it gets its name."""
    with files.whole_folder(folder, synced=not linked) as partial:
        for file in bundle.files:
            target = partial / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            if linked:
                output.place(target, source / file.path)
            else:
                shutil.copyfile(source / file.path, target)
                target.chmod(0o755 if file.path.startswith("bin/") else 0o644)
        files.write(partial / LISTING, bundle.text())
        contents.check(partial, bundle)
        library = partial / "lib/python"
        for name in python.TARS:
            python.unpack(partial / "lib" / name, library)
