"""Put a bundle on a host: safe to run again, and whole or not at all.

Images stay files here; whoever starts containerd imports them.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from kubeception.bundle import contents, output, python
from kubeception.bundle.contents import Bundle
from kubeception.config import Config
from kubeception.errors import PreflightError
from kubeception.host import files, lock, process
from kubeception.layout import Layout
from kubeception.versions import LISTING

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

    A version that is there already isn't copied again; `current` turns to it in one rename.
    With `linked` its files are hard links, for a root that nobody writes to.

    Raises:
        Locked: somebody else is changing this host.
        PreflightError: this isn't root, or files that aren't ours stand where launchers belong.
        KubeceptionError: there is no bundle, or a file of it is damaged.
    """
    if root == Path("/") and os.geteuid() != 0:
        raise PreflightError(["only root can put a bundle on this host"], hint="sudo, or --root")
    bundle = contents.load(source)
    host = Config().layout
    here = host.at(root)
    folder = here.bundles / bundle.version
    links = {root / at.relative_to("/"): target for at, target in _links(bundle, host)}
    changes: list[str] = []
    with lock.hold(here.lock, "kubeception bundle import"):
        _check_ours(links)
        if not folder.exists():
            _copy(source, bundle, folder, linked=linked)
            changes.append(f"{folder}: {len(bundle.files)} files")
        # Relative, so that it holds under any root.
        if not here.bundle.is_symlink() or here.bundle.readlink() != Path(bundle.version):
            files.link(here.bundle, Path(bundle.version))
            changes.append(f"{here.bundle}: turned to {bundle.version}")
        for at, target in links.items():
            if not at.is_symlink():
                files.link(at, target)
                changes.append(f"{at}: linked")
        launcher = here.launchers / "kubeception"
        text = _LAUNCHER.format(library=host.bundle / "lib/python", interpreter=bundle.python)
        if not launcher.exists() or launcher.read_text() != text:
            files.write(launcher, text, mode=0o755)
            changes.append(f"{launcher}: written")
    return changes


def _links(bundle: Bundle, host: Layout) -> Iterator[tuple[Path, Path]]:
    for file in bundle.files:
        name = Path(file.path).name
        if file.path.startswith("bin/cni/"):
            yield host.cni.plugins / name, host.bundle / file.path
        elif name in LAUNCHERS:
            yield host.launchers / name, host.bundle / file.path


def _check_ours(links: dict[Path, Path]) -> None:
    strangers = [
        f"{at}: is there already, and not from a bundle"
        for at, target in links.items()
        if os.path.lexists(at) and not (at.is_symlink() and at.readlink() == target)
    ]
    if strangers:
        raise PreflightError(strangers, hint="move them away, then import again")


def _copy(source: Path, bundle: Bundle, folder: Path, *, linked: bool) -> None:
    """Copy a bundle beside its place, check it there, and rename it into place."""
    partial = folder.with_name(f".{folder.name}.partial")
    files.remove_tree(partial)
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
    if not linked:
        # Before the rename says that it is whole: all of it is on the disk.
        process.run(["sync", "--file-system", partial])
    partial.rename(folder)
    files.sync_folder(folder.parent)
