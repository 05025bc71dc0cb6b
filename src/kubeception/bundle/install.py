"""Put a bundle on a host: safe to run again, and whole or not at all.

Images stay files here; whoever starts containerd imports them.
"""

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from kubeception.bundle import contents, output, python
from kubeception.bundle.contents import Bundle
from kubeception.config import Config
from kubeception.errors import KubeceptionError, PreflightError
from kubeception.host import files, lock
from kubeception.host.gateway import Host
from kubeception.layout import PYTHON_VARIABLES, Layout
from kubeception.versions import LISTING, Release


@dataclass(frozen=True)
class Installed:
    """A bundle on a host, or what is wrong with it."""

    name: str
    kubernetes: str | None
    in_use: bool
    problem: str | None


# How a folder is called in which a bundle comes to a host from elsewhere, with its sum's beginning.
FETCHED = ".fetched-"
# Programs that a host or its user calls by name; the others have no business on its PATH.
LAUNCHERS = (
    "containerd",
    "containerd-shim-runc-v2",
    "crictl",
    "ctr",
    "etcd",
    "etcdutl",
    "kubectl",
    "kubelet",
    "runc",
)
# Of the launchers that we write, those that somebody else may have, too.
_SHARED = frozenset({"etcdctl"})
# The first lines of what we write where others are linked.
_OURS = "#!/bin/sh\n# kubeception, from the bundle in use.\n"
# -P: the folder that somebody happens to stand in is no place to import from, nor is their home.
_KUBECEPTION = """unset {variables}
PYTHONNOUSERSITE=1 PYTHONPATH={library} exec {interpreter} -P -m kubeception "$@"
"""
# It is told where this host's etcd is, unless it is told another place: it takes no setting twice.
_ETCDCTL = """settings={settings}
for word; do
  case $word in
  --endpoints | --endpoints=* | --cacert | --cacert=* | --cert | --cert=* | --key | --key=*)
    settings= ;;
  esac
done
if [ -r "$settings" ] && ! env | grep -q '^ETCDCTL_\\(ENDPOINTS\\|CACERT\\|CERT\\|KEY\\)='; then
  set -a
  . "$settings"
fi
exec {program} "$@"
"""


def install(
    source: Path,
    root: Path = Path("/"),
    *,
    linked: bool = False,
    sha256: str | None = None,
    staged: bool = False,
    is_own: bool = False,
) -> list[str]:
    """Put the bundle in folder `source` on the host below `root`, and return what changed.

    It lies beside those that were there before, and is in use from now on, unless it is only
    `staged`. One that is there already isn't copied again, unless its list can't be read or a file
    is missing or of another size.
    With `linked` its files are hard links, for a root that nobody writes to. They are, too, where
    the folder `is_own`: one of this host's that nobody else has, and that is of no use afterwards.
    With `sha256`, that of its list, nothing is believed of another one.

    Raises:
        Locked: somebody else is changing this host.
        PreflightError: this isn't root, or files that aren't ours stand where launchers belong.
        KubeceptionError: there is no bundle, or it is another one, or a file of it is damaged.
    """
    here = for_root(root)
    listing = contents.listing(source, sha256=sha256)
    bundle = contents.parse(listing, source)
    folder = here.bundles / bundle.version
    copied = []
    with lock.hold(here.lock, "kubeception bundle import"):
        links = _checked_links(bundle, here)
        if not _is_there(folder, bundle):
            contents.check(source, bundle, hashed=False)
            files.make_folder(here.bundles)
            if not is_own:
                check_disk(here.bundles, sum(file.size for file in bundle.files))
            with files.whole_folder(folder, synced=not linked) as partial:
                try:
                    _copy(source, bundle, partial, linked=linked or is_own)
                    files.write(partial / LISTING, listing)
                except BaseException:
                    files.remove_tree(partial)
                    raise
            copied = [f"{folder}: {len(bundle.files)} files"]
        return copied if staged else [*copied, *_use(bundle, here, links)]


def for_root(root: Path) -> Layout:
    """Return where to change a host's bundles, if that may be.

    Raises:
        PreflightError: this isn't root.
    """
    if root == Path("/") and os.geteuid() != 0:
        raise PreflightError(["only root can change this host's bundles"], hint="sudo, or --root")
    return _below(root)


def _below(root: Path) -> Layout:
    """Return where a host's bundles lie below `root`, links in it followed as that host would."""
    host, at = Config().layout, Host(root).real
    return replace(
        host,
        bundles=at(host.bundles),
        launchers=at(host.launchers),
        cni=replace(host.cni, plugins=at(host.cni.plugins)),
        lock=at(host.lock),
    )


def installed(root: Path = Path("/")) -> list[Installed]:
    """Return the bundles that lie side by side on the host below `root`."""
    here = _below(root)
    used = here.bundle.readlink().name if here.bundle.is_symlink() else ""
    return [
        Installed(
            folder.name,
            None if (problem := _problem(folder)) else Release.read(folder).kubernetes,
            folder.name == used,
            problem,
        )
        for folder in _folders(here)
    ]


def _folders(here: Layout) -> list[Path]:
    found = here.bundles.glob(f"[!.]*/{LISTING}")
    return sorted({path.parent for path in found if not path.parent.is_symlink()})


def prune(
    root: Path = Path("/"), *, keep: int = 1, needed: Collection[str] = frozenset()
) -> list[str]:
    """Remove bundles that the host below `root` does not use, and return what changed.

    The last `keep` of them, by the time of their import, stay, and those that are `needed`.

    Raises:
        Locked: somebody else is changing this host.
        PreflightError: this isn't root.
        KubeceptionError: it isn't known which one is in use.
    """
    here = for_root(root)
    with lock.hold(here.lock, "kubeception bundle prune"):
        used = here.bundle.resolve()
        if not (used / LISTING).is_file() and (found := _folders(here)):
            raise KubeceptionError(
                f"{here.bundle}: leads to no bundle, so none of {len(found)} can be said to be"
                " unused",
                hint=f"kubeception bundle import {found[-1]}",
            )
        unused = [folder for folder in _folders(here) if folder.resolve() != used]
        unused.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
        doomed = [folder for folder in unused[keep:] if folder.name not in needed]
        doomed += sorted(files.leftovers(here.bundles))
        with lock.in_turn(fetching(here), waits=False) as is_ours:
            if is_ours:
                doomed += fetched(here)
            for folder in doomed:
                files.discard(folder)
        return [f"{folder}: removed" for folder in doomed]


def fetching(here: Layout) -> Path:
    """Return the lock of who fetches a bundle to this host."""
    return here.lock.with_name("fetch")


def fetched(here: Layout) -> list[Path]:
    """Return the folders with what has come so far of bundles that are fetched."""
    return sorted(here.bundles.glob(f"{FETCHED}*"))


def _problem(folder: Path) -> str | None:
    """Say why a folder is no bundle; one that is there was whole when it got its name."""
    try:
        Release.read(folder)
    except KubeceptionError as error:
        return error.message
    return None


def _is_there(folder: Path, bundle: Bundle) -> bool:
    """Tell whether a bundle lies on a host, with every file in its size.

    It was whole when it got its name.

    Raises:
        KubeceptionError: another one has its name, or it would lie elsewhere by a link.
    """
    if folder.is_symlink():
        raise KubeceptionError(f"{folder}: a link, not a folder", hint=f"rm {folder}")
    try:
        there = contents.load(folder)
    except KubeceptionError:
        return False
    if there != bundle:
        raise KubeceptionError(
            f"{folder}: another bundle of that name is there", hint=f"mv {folder} {folder}.old"
        )
    with suppress(KubeceptionError):
        contents.check(folder, bundle, hashed=False)
        return True
    return False


def check_disk(folder: Path, needed: int) -> None:
    """See that there is room for a bundle, or for what is left to come of it.

    Raises:
        KubeceptionError: there is not.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise KubeceptionError(
            f"{folder}: {free / 1e6:.0f} MB are free, the bundle has {needed / 1e6:.0f}",
            hint=f"df {folder}",
        )


def _use(bundle: Bundle, here: Layout, links: Mapping[Path, Path]) -> Iterator[str]:
    """Have a host go by a bundle that lies on it, and yield what changes."""
    # Relative, so that it holds under any root.
    if not here.bundle.is_symlink() or here.bundle.readlink() != Path(bundle.version):
        files.link(here.bundle, Path(bundle.version))
        yield f"{here.bundle}: turned to {bundle.version}"
    for at, target in links.items():
        if not at.is_symlink() or at.readlink() != target:
            files.link(at, target)
            yield f"{at}: linked"
    for launcher, text in _scripts(bundle, here):
        if launcher.is_symlink() or not launcher.is_file() or launcher.read_text() != text:
            files.write(launcher, text, mode=0o755)
            yield f"{launcher}: written"


def _scripts(bundle: Bundle, here: Layout) -> Iterator[tuple[Path, str]]:
    """Yield the programs that have to be told something, and what tells it."""
    at = Config().layout
    ours = _KUBECEPTION.format(
        variables=" ".join(PYTHON_VARIABLES),
        library=at.bundle / "lib/python",
        interpreter=bundle.python,
    )
    yield here.launchers / "kubeception", _OURS + ours
    if any(file.path == "bin/etcdctl" for file in bundle.files):
        text = _ETCDCTL.format(settings=at.etcdctl, program=at.bundle / "bin/etcdctl")
        yield here.launchers / "etcdctl", _OURS + text


def _checked_links(bundle: Bundle, here: Layout) -> dict[Path, Path]:
    """Return where links lie on a host and lead to.

    Raises:
        PreflightError: files that aren't ours are in their places.
    """
    links = dict(_links(bundle, here))
    strangers = [
        f"{at}: is there already, and not from a bundle"
        for at in links
        if os.path.lexists(at) and not _is_linked(at)
    ]
    strangers += [
        f"{at}: is there already, and not from a bundle"
        for at, _ in _scripts(bundle, here)
        if at.name in _SHARED and os.path.lexists(at) and not _is_ours(at)
    ]
    if strangers:
        raise PreflightError(strangers, hint="move them away, then import again")
    return links


def _is_linked(at: Path) -> bool:
    """Tell whether a path is a link of ours, be it to another program than it should be."""
    return at.is_symlink() and at.readlink().is_relative_to(Config().layout.bundle)


def _is_ours(launcher: Path) -> bool:
    """Tell whether we wrote a launcher, or an earlier version linked it."""
    if launcher.is_symlink():
        return _is_linked(launcher)
    return launcher.is_file() and launcher.read_text(errors="replace").startswith(_OURS)


def _links(bundle: Bundle, here: Layout) -> Iterator[tuple[Path, Path]]:
    for file in bundle.files:
        folder, _, name = file.path.rpartition("/")
        target = Config().layout.bundle / file.path
        if folder == "bin/cni":
            yield here.cni.plugins / name, target
        elif folder == "bin" and name in LAUNCHERS:
            yield here.launchers / name, target


def _copy(source: Path, bundle: Bundle, folder: Path, *, linked: bool) -> None:
    """Copy a bundle's files, no more of each than its list says, and check what has arrived.

    Nothing of it is looked into before.
    """
    for file in bundle.files:
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        if linked:
            output.place(target, source / file.path)
            continue
        with contents.opened(source, file) as content, target.open("wb") as copy:
            left = file.size
            while left and (sent := os.sendfile(copy.fileno(), content.fileno(), None, left)):
                left -= sent
        target.chmod(file.mode)
    contents.check(folder, bundle, named=source)
    for name in python.TARS:
        python.unpack(folder / "lib" / name, folder / "lib/python", named=source / "lib" / name)
