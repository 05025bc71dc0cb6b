"""File systems to which nothing can be written any more, though programs of a host need to."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kubeception.diagnosis import hinted
from kubeception.host import kernel
from kubeception.render import flannel
from kubeception.session import Session

MIB = 2**20
# Nothing much can be written any more, not even by root, who may use the reserve.
FULL = 4 * MIB
# Nothing can be named any more, wherever there is room; a start makes more files than that.
NO_FILES = 64
# Who execs into a pod needs a small file there.
TEMPORARY = Path("/", "tmp")
_FAILED = "dmesg says why, and where its disk has failed reboot"
# What the runtime and its plugins note of pods that run.
_UNTIL_BOOT = Path("/run")


@dataclass(frozen=True)
class Unwritable:
    """A folder to which nothing can be written, where its disk is mounted, and what helps."""

    folder: Path
    mounted: Path
    problem: str
    hint: str

    def __str__(self) -> str:
        return f"{self.folder}: {self.problem}"


def problem(session: Session) -> str | None:
    """Say to which nothing can be written, each with what helps."""
    return hinted.told(look(session))


def look(session: Session) -> Iterator[Unwritable]:
    """Yield the folders without which no pod starts, or etcd ends, of each mount the first."""
    told: set[Path] = set()
    for folder in _needed(session):
        found = why_unwritable(session, folder)
        if found and found.mounted not in told:
            told.add(found.mounted)
            yield found


def _needed(session: Session) -> Iterator[Path]:
    at = session.config.layout
    if not session.layout.membership.exists():
        yield at.etcd.state
    yield from (at.containerd.state, at.kubelet.state, at.kubelet.pod_logs, at.pki.folder)
    yield from (flannel.GIVEN_OUT, _UNTIL_BOOT, TEMPORARY)


def why_unwritable(session: Session, folder: Path) -> Unwritable | None:
    """Return why nothing at all can be written to a folder, or to the one that it will be in."""
    try:
        at = kernel.nearest(session.host.real(folder))
        found, is_read_only = os.statvfs(at), kernel.is_read_only(at)
        is_full = found.f_bfree * found.f_frsize < FULL
        # Some make inodes as they are needed.
        lacks_inodes = bool(found.f_files) and found.f_ffree < NO_FILES
        if not (is_read_only or is_full or lacks_inodes):
            return None
        mounted, is_everywhere = mount_of(session, folder), kernel.is_read_only(at, everywhere=True)
    except OSError as error:  # of the disk itself
        why = (error.strerror or str(error)).lower()
        return Unwritable(folder, folder, f"its file system says: {why}", _FAILED)
    if is_read_only:
        remount = f"mount -o remount,rw {mounted}"
        hint = f"{_FAILED}; elsewhere: {remount}" if is_everywhere else remount
        return Unwritable(folder, mounted, "its file system is read-only", hint)
    if is_full:
        return Unwritable(folder, mounted, "its file system is full", room(mounted, "-h"))
    free = found.f_bavail * found.f_frsize // MIB
    what = f"its file system has no inodes left, though {free} MiB are free"
    return Unwritable(folder, mounted, what, room(mounted, "--inodes"))


def room(mounted: Path, unit: str) -> str:
    """Return how room is made on a file system, in units of du's."""
    return f"make room; what takes it stands beside the sum: du -x -d 1 {unit} {mounted} | sort -h"


def mount_of(session: Session, folder: Path) -> Path:
    """Return where the file system is mounted that a folder is on, or would be."""
    host = session.host
    return host.named(kernel.mount_point(host.real(folder)))
