"""Durable changes of files: whole or not at all, also when the power goes.

What is refused (a full, read-only or broken disk, a missing right) is an expected failure that
names the path.
"""

import contextlib
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from kubeception import crash
from kubeception.host import mounts, process, refusal, removal
from kubeception.host.mounts import shown

_UNFINISHED = ".kubeception-unfinished"


def write(
    path: Path, content: bytes | str, *, mode: int = 0o644, uid: int = -1, gid: int = -1
) -> None:
    """Put `content` at `path` atomically and durably, making missing folders.

    Without an owner (-1) it belongs to whoever writes it.

    The temporary file starts with a dot (a kubelet ignores those in its manifest folder) and is
    private until its mode is set, so that a secret is never readable by others. What a killed
    writer left of one is thrown away.

    Raises:
        KubeceptionError: the disk is full, read-only or broken; what was there still is.
    """
    make_folder(path.parent)
    temporary = unfinished(path)
    with told(path):
        crash.before("write", temporary)
        with _alone(temporary) as handle:
            try:
                with os.fdopen(handle, "wb", closefd=False) as file:
                    file.write(content.encode() if isinstance(content, str) else content)
                os.fchown(handle, uid, gid)
                os.fchmod(handle, mode)
                os.fsync(handle)
                crash.before("rename to", path)
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        crash.before("sync the folder of", path)
        sync_folder(path.parent)


def remove(path: Path) -> None:
    """Remove the file or symlink at `path` durably, and what a killed writer of it left.

    Raises:
        KubeceptionError: the disk is read-only or broken.
    """
    for name in (unfinished(path), path):
        if os.path.lexists(name):
            with told(path):
                crash.before("remove", name)
                name.unlink(missing_ok=True)
                crash.before("sync the folder of the removed", name)
                sync_folder(path.parent)


def move(path: Path, to: Path) -> None:
    """Give a file another name on its disk, durably; what had that name is gone.

    Raises:
        KubeceptionError: the disk is read-only or broken.
    """
    with told(path):
        crash.before("move to", to)
        path.replace(to)
        sync_folder(to.parent)


def put_aside(path: Path) -> Path:
    """Give a file or folder that may be there the first free name of those that say that it is old.

    Returns that name.

    Raises:
        KubeceptionError: it is a mount point, or the disk is read-only or broken.
    """
    to, number = path.with_name(f"{path.name}.old"), 1
    while os.path.lexists(to):
        number += 1
        to = path.with_name(f"{path.name}.old{number}")
    if os.path.lexists(path):
        move(path, to)
    return to


def remove_tree(path: Path) -> None:
    """Remove the folder at `path` with all that is in it, if it is there, and nothing else.

    What is mounted in it, and what links in it lead to, stays.

    Raises:
        KubeceptionError: something is mounted in it, or the disk is read-only or broken.
    """
    try:
        removal.remove(path)
    except OSError as error:
        named = Path(shown(Path(error.filename or path)))
        if (expected := refusal.told(error, named)) is None:
            raise
        raise expected from error


def remove_empty(path: Path) -> None:
    """Remove an empty folder, durably.

    Raises:
        KubeceptionError: the disk is read-only or broken.
    """
    with told(path):
        crash.before("remove", path)
        path.rmdir()
        sync_folder(path.parent)


def discard(path: Path) -> None:
    """Remove a folder (or file) in one rename, so that half of it is never taken for the whole.

    Nothing may be mounted in it; if something is, it stays, and what holds it.

    Raises:
        KubeceptionError: something is mounted in it, or the disk is read-only or broken.
    """
    doomed = path if path.name.endswith(_UNFINISHED) else unfinished(path)
    for folder in (path, doomed):
        mounts.refuse(folder.parent.resolve() / folder.name)
    with told(path):
        if os.path.lexists(path) and not os.path.lexists(doomed):
            crash.before("put away", path)
            path.rename(doomed)
            sync_folder(path.parent)
        crash.before("remove", doomed)
        remove_tree(doomed)
    if os.path.lexists(path):  # one that a killed run had put away was in its place
        discard(path)


def link(path: Path, target: Path) -> None:
    """Make `path` a symlink to `target`, in one rename where another one stands.

    Raises:
        KubeceptionError: the disk is full, read-only or broken; what was there still is.
    """
    make_folder(path.parent)
    temporary = unfinished(path)
    with told(path):
        crash.before("link", temporary)
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target)
        crash.before("rename to", path)
        temporary.replace(path)
        crash.before("sync the folder of", path)
        sync_folder(path.parent)


def make_folder(path: Path, mode: int = 0o755) -> None:
    """Make a folder and its missing parents, durably.

    Raises:
        KubeceptionError: the disk is full, read-only or broken.
    """
    if path.is_dir():
        return
    make_folder(path.parent)
    with told(path):
        crash.before("make", path)
        path.mkdir(mode=mode, exist_ok=True)
        sync_folder(path.parent)


def own_folder(path: Path, *, mode: int, gid: int) -> None:
    """Make a folder that has this mode and group, durably; give them to one that is there.

    Raises:
        KubeceptionError: the disk is full, read-only or broken.
    """
    make_folder(path, mode & 0o700)
    with told(path):
        crash.before("give", path)
        os.chown(path, -1, gid)
        path.chmod(mode)
        sync_folder(path)


@contextlib.contextmanager
def whole_folder(path: Path, *, synced: bool = True) -> Iterator[Path]:
    """Yield a new folder to fill, which then takes the name `path` in one rename, durably.

    What a killed writer left of one is thrown away, and at last what bears the name already.
    Without `synced` a power cut may leave it with files that are empty.

    Raises:
        KubeceptionError: the disk is full, read-only or broken.
    """
    partial = unfinished(path)
    with told(path):
        remove_tree(partial)
        make_folder(partial)
        yield partial
        if synced:
            process.run(["sync", "--file-system", partial])
        remove_tree(path)
        crash.before("rename to", path)
        partial.rename(path)
        crash.before("sync the folder of", path)
        sync_folder(path.parent)


@contextlib.contextmanager
def private_folder(beside: Path) -> Iterator[Path]:
    """Yield a new folder that only its owner enters, on the disk of a path; it is gone at the end.

    What is finished in it is moved out. What a killed writer left of one is thrown away.

    Raises:
        KubeceptionError: the disk is full, read-only or broken.
    """
    place = unfinished(beside)
    remove_tree(place)
    with told(beside):
        crash.before("make", place)
        # Made anew or not at all: in a folder of everybody's another one may be put in its place.
        place.mkdir(mode=0o700)
    try:
        yield place
    finally:
        remove_tree(place)


def sync_folder(path: Path) -> None:
    """Make renames and removals in a folder survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def unfinished(path: Path) -> Path:
    """Return where a file lies while it is being written; a killed writer may leave it."""
    return path.with_name(f".{path.name}{_UNFINISHED}")


def leftovers(folder: Path) -> Iterator[Path]:
    """Yield what killed writers left in a folder, or living ones are about to finish."""
    return folder.glob(f".*{_UNFINISHED}")


def finished(path: Path) -> Path:
    """Return what a file or folder is called once it is no longer being written or removed."""
    if path.name.startswith(".") and path.name.endswith(_UNFINISHED):
        return path.with_name(path.name[1:].removesuffix(_UNFINISHED))
    return path


def changed_ns(path: Path) -> int:
    """Return when a file was last written, or a folder's entries changed, 0 where there is none."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Tell what the disk refuses of `path` as an expected failure; a bug stays what it is."""
    try:
        yield
    except OSError as error:
        if (
            not refusal.is_expected(error)
            or (expected := refusal.told(error, Path(shown(path)))) is None
        ):
            raise
        raise expected from error


def digest(path: Path) -> str:
    """Return the sha256 of a file's content in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def mode_of(path: Path) -> int:
    """Return the permission bits of a file."""
    return stat.S_IMODE(path.stat().st_mode)


@contextlib.contextmanager
def _alone(temporary: Path) -> Iterator[int]:
    """Make a new file that only this writer has, once no living one has it; yields its handle.

    The kernel lets go of a dead writer's lock, so a file that nobody holds is a leftover.
    """
    while True:
        try:
            handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            with contextlib.suppress(FileNotFoundError), temporary.open("rb") as other:
                fcntl.flock(other, fcntl.LOCK_EX)
                if _is_at(other.fileno(), temporary):
                    temporary.unlink()
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if _is_at(handle, temporary):
                yield handle
                return
        finally:
            os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    """Tell whether an open file is the one that bears the name now."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
