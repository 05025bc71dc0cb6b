"""A bundle's folder: laid out of files that lie in the store, by links where the disk allows."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from kubeception.bundle.contents import Bundle, BundleFile
from kubeception.errors import KubeceptionError
from kubeception.host import files
from kubeception.versions import LISTING

# Marks a folder as ours to clear, also while there is no list in it.
_MARK = ".kubeception-bundle"


def check(folder: Path) -> None:
    """See that a folder may be cleared: it is a bundle's, or there is nothing in it.

    Raises:
        KubeceptionError: other files are in it.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARK).exists():
        raise KubeceptionError(
            f"{folder}: has other files than a bundle's in it", hint="name a new folder"
        )


def lay_out(folder: Path, bundle: Bundle, sources: Mapping[BundleFile, Path]) -> int:
    """Make a folder hold exactly a bundle; returns how many files had to change.

    While files change there is no list, so that nobody takes a half-laid bundle for a whole one.
    """
    files.make_folder(folder)
    (folder / _MARK).touch()
    listing = folder / LISTING
    # Nothing that we lay out is a symlink, and through one it would land elsewhere.
    for path in [path for path in folder.rglob("*") if path.is_symlink()]:
        path.unlink()
    places = {folder / file.path: source for file, source in sources.items()}
    changed = [path for path, source in places.items() if not _is_same(path, source)]
    stale = [
        path
        for path in folder.rglob("*")
        if not path.is_dir() and path not in places and path not in (listing, folder / _MARK)
    ]
    if not stale and not changed and listing.exists() and listing.read_text() == bundle.text():
        return 0
    listing.unlink(missing_ok=True)
    for path in stale:
        path.unlink()
    for path in changed:
        place(path, places[path])
    files.write(listing, bundle.text(), uid=os.getuid(), gid=os.getgid())
    return len(stale) + len(changed)


def place(path: Path, source: Path) -> None:
    """Put a file at `path` in one rename: a hard link, or a copy with the same time and mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    try:
        temporary.hardlink_to(source)
    except OSError:
        shutil.copy2(source, temporary)
    temporary.replace(path)


def _is_same(path: Path, source: Path) -> bool:
    if not path.is_file():
        return False
    found, wanted = path.stat(), source.stat()
    return (found.st_size, found.st_mtime_ns) == (wanted.st_size, wanted.st_mtime_ns)
