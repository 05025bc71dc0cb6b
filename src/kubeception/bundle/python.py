"""kubeception itself and what it needs, as two tars: the slow-moving one and the thin one.

Both are layers of the image, and are unpacked as they are on a host.
"""

import os
import shutil
import sys
import tarfile
from pathlib import Path, PurePosixPath

from kubeception.bundle import golang, store
from kubeception.bundle.components import SOURCES
from kubeception.bundle.oci import Member, write_layer
from kubeception.bundle.store import Recipe
from kubeception.errors import KubeceptionError
from kubeception.host import files, process
from kubeception.layout import LIBRARY

# Where both unpack to, in the image and in a bundle on a host.
FOLDER = str(LIBRARY.relative_to("/"))
TARS = ("dependencies.tar", "kubeception.tar")
INTERPRETER = f"python{sys.version_info.major}.{sys.version_info.minor}"

_HINT = "kubeception bundle build"
_REQUIREMENTS = SOURCES / "requirements/run.txt"
_PACKAGE = Path(__file__).parents[1]


def recipes() -> tuple[Recipe, Recipe]:
    """Return how `dependencies.tar` and `kubeception.tar` are made."""
    how = (INTERPRETER, golang.architecture(), files.digest(Path(__file__)))
    source = [(path.relative_to(_PACKAGE), files.digest(path)) for path in _files_of(_PACKAGE)]
    return (
        Recipe("dependencies", store.key(files.digest(_REQUIREMENTS), how), _dependencies),
        Recipe("kubeception", store.key(source, how), _source),
    )


def unpack(tar: Path, folder: Path, *, named: Path) -> None:
    """Unpack one of the tars to a folder; our image, which may do it, has no tar.

    Files and folders below FOLDER are all that there may be. Members are refused here and not by
    tarfile's data filter, which Debian's Python 3.11 doesn't have. `named` stands for the tar in
    messages.

    Raises:
        KubeceptionError: it is no plain tar, or has other members; all of them are named.
    """
    try:
        # Not what is compressed: what a tar may fill is known by its size.
        with tarfile.open(tar, "r:") as archive:
            if problems := [f"{named}: {m.name!r} {no}" for m in archive if (no := _unfit(m))]:
                raise KubeceptionError("\n".join(problems), hint=_HINT)
            for member in archive:
                content = archive.extractfile(member)
                if content is None:  # a folder
                    continue
                at = folder / Path(member.name).relative_to(FOLDER)
                at.parent.mkdir(parents=True, exist_ok=True)
                with content, at.open("wb") as file:
                    shutil.copyfileobj(content, file)
                at.chmod(member.mode & 0o755)
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise KubeceptionError(f"{named}: not a tar: {error}", hint=_HINT) from error


def _unfit(member: tarfile.TarInfo) -> str | None:
    """Say why a member isn't unpacked, or None."""
    name = PurePosixPath(member.name)
    if not (member.isdir() or member.isreg()) or member.issparse():
        return "is neither a plain file nor a folder"
    if str(name) != member.name or ".." in name.parts:
        return "is no plain path"
    if not name.is_relative_to(FOLDER) and not (
        member.isdir() and PurePosixPath(FOLDER).is_relative_to(name)
    ):
        return f"is not below {FOLDER}"
    return None


def _dependencies(folder: Path) -> None:
    site = folder / "site"
    process.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--no-compile", "--require-hashes", "--only-binary=:all:"),
            *(f"--target={site}", f"--requirement={_REQUIREMENTS}"),
        ]
    )
    # Scripts name this machine's interpreter, and the records hold their digests.
    files.remove_tree(site / "bin")
    for record in site.glob("*.dist-info/RECORD"):
        record.unlink()
    _pack(folder / "dependencies.tar", site)


def _source(folder: Path) -> None:
    site = folder / "site"
    shutil.copytree(_PACKAGE, site / _PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    _pack(folder / "kubeception.tar", site)


def _pack(target: Path, site: Path) -> None:
    """Compile and pack a folder of Python, then remove it.

    Compiled here, a container and a fresh host start at once instead of compiling first. Unchecked:
    nobody edits these files, and times would differ from build to build. In a process of its own,
    since what a process holds already shows in the code that it writes.
    """
    process.run(
        [
            *(sys.executable, "-I", "-m", "compileall", "-q"),
            *("--invalidation-mode", "unchecked-hash", "-s", site, "-p", f"/{FOLDER}", site),
        ]
    )
    write_layer(
        target,
        [
            Member(
                f"{FOLDER}/{path.relative_to(site)}", path, mode=0o644 | path.stat().st_mode & 0o111
            )
            for path in _files_of(site, compiled=True)
        ],
    )
    files.remove_tree(site)


def _files_of(folder: Path, *, compiled: bool = False) -> list[Path]:
    found: list[Path] = []
    for parent, folders, names in os.walk(folder):
        if not compiled:
            folders[:] = [name for name in folders if name != "__pycache__"]
        found += [Path(parent, name) for name in names]
    return sorted(found)
