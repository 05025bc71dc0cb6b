"""Remove a tree of files, but nothing that is mounted in it and nothing that a link leads to.

It goes by open folders, so nobody can lead it elsewhere meanwhile, and as deep as they go. Which
mount a folder belongs to is the `mnt_id` of /proc/self/fdinfo (proc_pid_fdinfo(5)): a bind mount of
the same file system has the same device number. What is mounted at a file, or was mounted by
another path, the kernel keeps (EBUSY; unlink(2), rmdir(2)).
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kubeception.errors import KubeceptionError
from kubeception.host.mounts import shown

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True)
class _Folder:
    """A folder on the way down: its name, what tells it from others, the folders left in it."""

    name: str
    identity: tuple[int, int]
    left: list[str]


def remove(path: Path) -> None:
    """Remove what is at `path`, if anything is: a file, a link, or a folder with all that is in it.

    Raises:
        KubeceptionError: a mount begins there or in it, or a folder was moved meanwhile.
        OSError: the kernel refused something, which is named by its whole path.
    """
    if path.is_dir() and not path.is_symlink():
        _Removal(path).run()
    else:
        path.unlink(missing_ok=True)


class _Removal:
    """One tree that goes; only the folder that it is at is open."""

    def __init__(self, path: Path) -> None:
        self._at = os.open(path.parent, _FOLDER)
        self._mount = _mount_of(self._at)
        self._way = [_Folder(str(path.parent), _identity(self._at), [path.name])]

    def run(self) -> None:
        try:
            while self._way[0].left:
                if self._way[-1].left:
                    self._enter(self._way[-1].left[-1])
                else:
                    self._leave()
        finally:
            os.close(self._at)

    def _enter(self, name: str) -> None:
        """Go into a folder and remove what is no folder; one that is gone is none any more."""
        with self._named(name):
            try:
                self._go(name)
            except FileNotFoundError:
                self._way[-1].left.pop()
                return
        self._way.append(_Folder(name, _identity(self._at), []))
        if _mount_of(self._at) != self._mount:
            where = shown(self._path())
            raise KubeceptionError(f"{where}: is mounted", hint=f"umount {where}")
        with self._named(), os.scandir(self._at) as entries:
            names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for inside, is_folder in names:
            if is_folder:
                self._way[-1].left.append(inside)
                continue
            with self._named(inside), contextlib.suppress(FileNotFoundError):
                os.unlink(inside, dir_fd=self._at)

    def _leave(self) -> None:
        """Go up and remove the folder that this one was."""
        path = self._path()
        self._way.pop()
        self._go("..")
        if _identity(self._at) != self._way[-1].identity:
            raise KubeceptionError(
                f"{shown(path)}: was moved while it was removed",
                hint=f"fuser -vm {shown(path.parent)}",
            )
        name = self._way[-1].left.pop()
        with self._named(name), contextlib.suppress(FileNotFoundError):
            os.rmdir(name, dir_fd=self._at)

    def _go(self, name: str) -> None:
        there = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=self._at)
        os.close(self._at)
        self._at = there

    def _path(self, *more: str) -> Path:
        return Path(*(folder.name for folder in self._way), *more)

    @contextlib.contextmanager
    def _named(self, *more: str) -> Iterator[None]:
        """Have the kernel's refusal name the whole path: it knows the last part alone."""
        try:
            yield
        except OSError as error:
            error.filename = str(self._path(*more))
            raise


def _mount_of(handle: int) -> int:
    lines = Path(f"/proc/self/fdinfo/{handle}").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("mnt_id:"))


def _identity(handle: int) -> tuple[int, int]:
    found = os.fstat(handle)
    return found.st_dev, found.st_ino
