"""The folder of a pod with copies of the host's files: these and no others, as they are now."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kubeception.host import files
from kubeception.render import pod_folder
from kubeception.session import Session


@dataclass(frozen=True)
class PodFolder:
    """A component's wanted folder, for its user alone to read and for root to write.

    What there is no original of yet is left as it is. Nothing of a content is ever shown.
    """

    wanted: pod_folder.PodFolder

    def __str__(self) -> str:
        return str(self.wanted.path)

    @property
    def started_after(self) -> tuple[Path, ...]:
        """The originals: as soon as one of them is another one, so is its copy."""
        return self.wanted.files

    def drift(self, session: Session) -> str | None:
        """Say which copy is missing or differs, or what else lies there."""
        originals = self._originals(session)
        if originals and not session.host.real(self.wanted.path).is_dir():
            return "missing"
        for path in self._folders(originals):
            if problem := self._access_problem(session.host.real(path), path):
                return problem
        for original, content in originals.items():
            if problem := self._problem(session, original, content):
                return problem
        return next((f"{path} does not belong there" for path in self._others(session)), None)

    def apply(self, session: Session) -> None:
        """Make them what is wanted, each in one rename, and remove what else lies there."""
        originals, group, (of_folders, of_files) = self._originals(session), self._group, self.modes
        for path in self._folders(originals):
            if self._access_problem(session.host.real(path), path):
                files.own_folder(session.host.real(path), mode=of_folders, gid=group)
        for original, content in originals.items():
            if self._problem(session, original, content):
                copy = _at(session, self.wanted.copy(original))
                files.write(copy, content, mode=of_files, gid=group)
        for path in self._others(session):
            files.remove(_at(session, path))

    def _originals(self, session: Session) -> dict[Path, bytes]:
        """Return what there is to copy, by its path on the host."""
        found = {}
        for path in self.wanted.files:
            for one in _files(session, path):
                found[one] = session.host.real(one).read_bytes()
        return found

    def _folders(self, originals: dict[Path, bytes]) -> list[Path]:
        """Return the folders in which copies lie, the outer ones first."""
        inner = {self.wanted.copy(path).parent for path in originals}
        top = self.wanted.path
        every = {one for path in inner for one in (path, *path.parents) if one.is_relative_to(top)}
        return sorted(every)

    def _problem(self, session: Session, original: Path, content: bytes) -> str | None:
        copy = self.wanted.copy(original)
        at = _at(session, copy)
        if at.is_file() and at.read_bytes() != content:
            return f"{copy} is not as {original} is"
        return self._access_problem(at, copy)

    def _access_problem(self, at: Path, path: Path) -> str | None:
        """Say that a copy or a folder of them is not there, or not for its pod alone."""
        try:
            found = at.lstat()
        except FileNotFoundError:
            return f"{path} is missing"
        mode = self.modes[not stat.S_ISDIR(found.st_mode)]
        is_well = (found.st_uid, found.st_gid) == (os.geteuid(), self._group)
        if is_well and stat.S_IMODE(found.st_mode) == mode:
            return None
        return f"{path} is not for its pod alone"

    @property
    def _group(self) -> int:
        return self.wanted.user or os.getegid()

    @property
    def modes(self) -> tuple[int, int]:
        """The modes of folders and of files; the group may read, where it is none of root's."""
        return (0o750, 0o640) if self.wanted.user else (0o700, 0o600)

    def _others(self, session: Session) -> list[Path]:
        """Return the files that lie there and are none of the wanted copies."""
        top, wanted = session.host.real(self.wanted.path), self.wanted
        copies = [wanted.copy(path) for path in wanted.files]
        there = (
            wanted.path / one.relative_to(top) for one in sorted(top.rglob("*")) if _is_leaf(one)
        )
        return [path for path in there if not any(path.is_relative_to(copy) for copy in copies)]


def _files(session: Session, path: Path) -> Iterator[Path]:
    """Yield a file of the host that is there, or the files that a folder has."""
    real = session.host.real(path)
    if real.is_file():
        yield path
    elif real.is_dir():
        for one in sorted(real.rglob("*")):
            if one.is_file():
                yield path / one.relative_to(real)


def _at(session: Session, path: Path) -> Path:
    """Return where a file lies for this process; a link in its place is no copy."""
    return session.host.real(path.parent) / path.name


def _is_leaf(path: Path) -> bool:
    return path.is_symlink() or not path.is_dir()
