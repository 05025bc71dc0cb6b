"""What the running kernel offers; detected, never assumed."""

import errno
import os
import re
from pathlib import Path

# proc_pid_mountinfo(5).
_ESCAPE = re.compile(rb"\\([0-7]{3})")
# Bit numbers of linux/capability.h.
_CAPABILITIES = {"NET_ADMIN": 12, "SYS_ADMIN": 21, "SYS_RESOURCE": 24}


def is_root() -> bool:
    """Tell whether this process may do everything."""
    return os.geteuid() == 0


def cgroup_version(root: Path | None = None) -> int:
    """Return 2 on the unified hierarchy and 1 on the older one.

    A container may have no cgroups mounted of its own; `root` is where its host is.
    """
    return 2 if ((root or Path("/")) / "sys/fs/cgroup/cgroup.controllers").exists() else 1


def controllers(root: Path | None = None) -> set[str]:
    """Return what the kernel shares out to groups of processes; see cgroups(7).

    With version 1 an option of the kernel's command line may have switched some off.
    """
    top = root or Path("/")
    if cgroup_version(root) == 2:
        return set((top / "sys/fs/cgroup/cgroup.controllers").read_text().split())
    lines = (top / "proc/cgroups").read_text().splitlines()[1:]
    return {name for name, _, _, enabled in map(str.split, lines) if enabled == "1"}


def has_capability(name: str) -> bool:
    """Tell whether this process may use a capability, named without `CAP_`."""
    status = Path("/proc/self/status").read_text()
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> _CAPABILITIES[name] & 1)


def has_bridge_netfilter() -> bool:
    """Tell whether packets between pods on one bridge can pass the packet filter."""
    return Path("/proc/sys/net/bridge").exists()


def mount_point(path: Path) -> Path:
    """Return where that is mounted which holds a path, or would; a folder bound to itself, too."""
    return Path(os.fsdecode(unescaped(_mount_of(path)[4])))


def file_system(path: Path) -> str:
    """Return the type of the file system that holds a path, or would, such as ext4."""
    fields = _mount_of(path)
    return os.fsdecode(fields[fields.index(b"-") + 1])


def is_read_only(path: Path, *, everywhere: bool = False) -> bool:
    """Tell whether nothing can be written to the file system that holds a path, or would.

    By its own options, or by those that it has wherever it is mounted, where that is asked. After
    an error ext4 says it by these alone (Linux 6.15), and statvfs(3) doesn't.
    """
    try:
        fields = _mount_of(path)
    except FileNotFoundError:  # it is another process' mount, or has just gone
        return bool(os.statvfs(nearest(path)).f_flag & os.ST_RDONLY)
    options = {*fields[fields.index(b"-") + 3].split(b",")}
    if not everywhere:
        options.update(fields[5].split(b","))
    return bool(options & {b"ro", b"emergency_ro", b"shutdown"})


def _mount_of(path: Path) -> list[bytes]:
    """Return the fields of the mount that holds a path."""
    held = os.open(nearest(path), os.O_PATH)
    try:
        told = Path(f"/proc/self/fdinfo/{held}").read_text()
    finally:
        os.close(held)
    identity = told.partition("mnt_id:")[2].split()[0].encode()
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        if (fields := line.split(b" "))[0] == identity:
            return fields
    raise FileNotFoundError(errno.ENOENT, "is no longer mounted", str(path))


def nearest(path: Path) -> Path:
    """Return a path or the nearest folder above it that is there."""
    return next(at for at in (path, *path.parents) if at.exists())


def unescaped(field: bytes) -> bytes:
    """Return a path of a table of mounts: space, tab, newline and backslash are octal there."""
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 8)]), field)


def runs_programs_of(path: Path) -> bool:
    """Tell whether a program may run from the file system that holds it (`noexec`)."""
    return not os.statvfs(path).f_flag & os.ST_NOEXEC


def memory_bytes() -> int:
    """Return how much memory this host has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def boot_id(proc: Path) -> str:
    """Return what tells this boot from every other one; a kubelet says the same of its Node."""
    return (proc / "sys/kernel/random/boot_id").read_text().strip()


def cpus() -> int:
    """Return how many CPUs this host has."""
    return os.cpu_count() or 1
