"""A host's disk: an ext4 file system in a file, which can lose power."""

import fcntl
import os
import struct
from pathlib import Path

from kubeception.lab import kill_with_parent

SIZE = 16 << 30  # sparse

# linux/fs/ext4: forget what is not on disk and answer every access with an error from now on.
_EXT4_IOC_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = 2


def make(image: Path) -> None:
    """Make an empty disk."""
    with image.open("wb") as file:
        file.truncate(SIZE)
    kill_with_parent.run(
        ["mkfs.ext4", "-q", "-m", "0", "-E", "nodiscard,lazy_itable_init=1", image]
    )


def cut(image: Path, *, mounted_at: Path) -> None:
    """Take the power from a disk; nothing happens where it isn't mounted (yet)."""
    handle = os.open(mounted_at, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Asked of the open folder itself: the file system below an empty mount point is the
        # machine's own.
        device = os.fstat(handle).st_dev
        if not _is_behind(image, Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")):
            return
        fcntl.ioctl(handle, _EXT4_IOC_SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
    finally:
        os.close(handle)


def in_use(image: Path) -> bool:
    """Tell whether the kernel still has the disk open; mounted twice it would be destroyed."""
    return any(_is_behind(image, device) for device in Path("/sys/block").glob("loop*"))


def _is_behind(image: Path, device: Path) -> bool:
    """Tell whether a block device is a loop device of a file."""
    try:
        backing = (device / "loop" / "backing_file").read_text().strip()
    except OSError:  # not a loop device, or detached meanwhile
        return False
    return backing == str(image.resolve())
