"""What is left of the kernel's watches of files (inotify(7)): without one no kubelet starts."""

import ctypes
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass

from kubeception.host.gateway import Host

_INSTANCES, _WATCHES = "max_user_instances", "max_user_watches"
# As many as hosts of containers commonly have; of more than half of that there are twice as many.
_COMMON = {_INSTANCES: 8192, _WATCHES: 524288}
_IN_DELETE_SELF = 0x400


@dataclass(frozen=True)
class Shortage:
    """A limit for each user that this one, root on a host, has come to."""

    name: str
    most: int

    @property
    def setting(self) -> str:
        """The name that sysctl(8) knows it by."""
        return f"fs.inotify.{self.name}"

    @property
    def hint(self) -> str:
        """The command by which there is more."""
        return f"sysctl -w {self.setting}={max(2 * self.most, _COMMON[self.name])}"

    def __str__(self) -> str:
        return f"all {self.most} of {self.setting} are in use"


def look(host: Host) -> Iterator[Shortage]:
    """Yield of what there is nothing left; found by watching one more file."""
    if name := _refused():
        yield Shortage(name, int((host.proc / "sys/fs/inotify" / name).read_text()))


def _refused() -> str | None:
    libc = ctypes.CDLL(None, use_errno=True)
    watcher = libc.inotify_init1(os.O_CLOEXEC)
    if watcher < 0:
        return _INSTANCES if ctypes.get_errno() == errno.EMFILE else None
    try:
        failed = libc.inotify_add_watch(watcher, b"/", _IN_DELETE_SELF) < 0
        return _WATCHES if failed and ctypes.get_errno() == errno.ENOSPC else None
    finally:
        os.close(watcher)
