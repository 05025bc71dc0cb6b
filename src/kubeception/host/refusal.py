"""What this machine refuses, as an expected failure: an OSError is seldom a bug of ours."""

import errno
import os
from pathlib import Path

from kubeception.errors import KubeceptionError, PreflightError
from kubeception.host import kernel, tasks

# What helps a person to see why, by a command.
_HINTS = {
    errno.ENOSPC: "df {folder}",
    errno.EDQUOT: "df {folder}",
    errno.EROFS: "findmnt --target {folder}",
    errno.EIO: "dmesg | tail",
    errno.EACCES: "namei -l {path}",
    errno.EPERM: "lsattr -d {path}",
    errno.EBUSY: "fuser -vm {path}",
    errno.EMFILE: "ulimit -n",
    errno.ENOMEM: "free -h",
}
NOEXEC = "is mounted noexec, so that no program runs from there"
_DENIED = (errno.EACCES, errno.EPERM)
# What a program is told that has lost track of its own files: a bug.
_OURS = frozenset({errno.EBADF, errno.EFAULT, errno.ENOTSOCK, errno.ENOTTY})


def told(error: OSError, path: Path | None = None) -> KubeceptionError | None:
    """Return what was refused of a path, by default the error's own; None where it is a bug."""
    if error.errno in _OURS or (not error.errno and not error.strerror):
        return None
    what = (error.strerror or str(error)).lower()
    named = path or (_name(error.filename) if error.filename is not None else None)
    if named is None:
        if error.errno == errno.EAGAIN:
            return _no_more_tasks(what)
        if error.errno == errno.ENOENT and not _has_folder():
            return KubeceptionError("the folder that this runs in is gone", hint="cd /")
        return KubeceptionError(what, hint=_hint(error, None))
    line = f"{named}: {what}"
    if error.errno in _DENIED and not kernel.is_root():
        return PreflightError([line], hint="sudo kubeception …")
    return KubeceptionError(line, hint=_hint(error, named))


def to_start(error: RuntimeError) -> KubeceptionError | None:
    """Return why no thread can be started; None where it is a bug."""
    return _no_more_tasks(str(error)) if str(error) == "can't start new thread" else None


def of_program(program: str, error: OSError) -> KubeceptionError:
    """Return why a program that is there can't be started."""
    what = f"{program}: {(error.strerror or str(error)).lower()}"
    return _no_more_tasks(what) if error.errno == errno.EAGAIN else KubeceptionError(what)


def _no_more_tasks(what: str) -> KubeceptionError:
    if limit := tasks.in_the_way():
        return KubeceptionError(f"{what}: {limit.what}", hint=limit.hint)
    return KubeceptionError(what)


def to_load(error: ImportError) -> PreflightError | None:
    """Return why a library of ours can't be loaded from where it lies; None where it is a bug."""
    if not error.path or kernel.runs_programs_of(path := Path(error.path)):
        return None
    point = kernel.mount_point(path)
    return PreflightError([f"{point}: {NOEXEC}: {path}"], hint=may_run(point))


def may_run(point: Path) -> str:
    """Return the command after which programs may run from a file system.

    It leaves the rest of the mount as it is, and is for one of a disk and of a folder alike.
    """
    return f"mount -o remount,bind,exec {point}"


def is_expected(error: OSError) -> bool:
    """Tell whether a disk may refuse so, where a path is known to be right."""
    return error.errno in _HINTS


def _hint(error: OSError, path: Path | None) -> str | None:
    hint = _HINTS.get(error.errno or 0)
    if hint is None or (path is None and "{" in hint):
        return None
    return hint.format(path=path, folder=path.parent if path else "")


def _name(name: str | bytes | int) -> Path:
    return Path("/proc/self/fd") / str(name) if isinstance(name, int) else Path(os.fsdecode(name))


def _has_folder() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True
