"""Whole file systems as files: one told from another, and copied."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from kubeception.host import files
from kubeception.host.process import run


def identity(root: Path, *, programs: Path, library: Path) -> str:
    """Return what tells a file system from another one, in hex.

    Of the library the content counts; of programs, which are many and come in packages, the name,
    size and mode.
    """
    seen = hashlib.sha256()
    for path in (*_files(root, programs), *_files(root, library)):
        found = path.lstat()
        words = [str(path.relative_to(root)), f"{found.st_size} {found.st_mode:o}"]
        if path.is_relative_to(root / library):
            words.append(files.digest(path))
        seen.update("\0".join(words).encode() + b"\n")
    return seen.hexdigest()


def copy(source: Path, target: Path) -> None:
    """Copy a file system to a folder that isn't there yet, through to the disk.

    What is mounted in it becomes an empty folder.
    """
    files.make_folder(target)
    run(["cp", "--archive", "--one-file-system", f"{source}/.", target])
    run(["sync", "--file-system", target])


def _files(root: Path, below: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(root / below):
        folders.sort()
        for path in (Path(parent, name) for name in sorted(names)):
            if path.is_file() and not path.is_symlink():
                yield path
