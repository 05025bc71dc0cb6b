"""Whole file systems as files: one told from another, and copied."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from kubeception.host import files
from kubeception.host.process import run

# Enough of an identity to tell a handful of folders apart by.
_SHORT = 12


def identity(root: Path, *, programs: Path, library: Path) -> str:
    """Return what tells a file system from another one, in hex.

    Of the library the content counts; of programs, which are many and come in packages, the name,
    size and mode.
    """
    seen = hashlib.sha256()
    for path in _files(root / programs.relative_to("/")):
        found = path.lstat()
        _add(seen, path.relative_to(root), found.st_size, found.st_mode)
    for path in _files(root / library.relative_to("/")):
        _add(seen, path.relative_to(root), files.digest(path))
    return seen.hexdigest()[:_SHORT]


def copy(source: Path, target: Path) -> None:
    """Copy a file system to a folder with nothing in it.

    What is mounted in it becomes an empty folder.
    """
    run(["cp", "--archive", "--one-file-system", f"{source}/.", target])


def _add(seen: "hashlib._Hash", *words: object) -> None:
    seen.update("\0".join(str(word) for word in words).encode() + b"\n")


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for path in (Path(parent, name) for name in sorted(names)):
            if path.is_file() and not path.is_symlink():
                yield path
