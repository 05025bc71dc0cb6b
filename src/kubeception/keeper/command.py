"""The programs that this host's administrator lets the cluster run, and whether one may be.

Which one is asked for by its name alone: nothing that a program is given comes from the API.
"""

import stat
from collections.abc import Iterator
from pathlib import Path

from kubeception.layout import Layout
from kubeception.session import Session

_ROOT = 0


def obstacle(session: Session, name: str, *, owner: int = _ROOT) -> str | None:
    """Return why this host does not run a program of this name.

    Nobody but its owner may have put it there, or have said in any other way what it does.
    """
    folder = session.layout.steps
    program = folder / name
    for path in (folder.parent, folder, program):
        if problem := _problem(path, owner, is_program=path is program):
            return f"{Path('/') / path.relative_to(session.host.root)} {problem}"
    return None


def commands(name: str) -> Iterator[tuple[str, ...]]:
    """Yield what is run; it gets no arguments."""
    yield (str(Layout.steps / name),)


def _problem(path: Path, owner: int, *, is_program: bool) -> str | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return "is not there"
    except OSError as error:
        return f"can't be looked at: {error.strerror}"
    if is_program and not stat.S_ISREG(found.st_mode):
        return "is no regular file"
    if not is_program and not stat.S_ISDIR(found.st_mode):
        return "is no folder"
    if found.st_uid != owner:
        return f"belongs to user {found.st_uid}, not to root"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "may be written by others than root"
    if is_program and not found.st_mode & stat.S_IXUSR:
        return "is not executable"
    return None
