"""What the running kernel offers; detected, never assumed."""

import os
from pathlib import Path

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


def has_capability(name: str) -> bool:
    """Tell whether this process may use a capability, named without `CAP_`."""
    status = Path("/proc/self/status").read_text()
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> _CAPABILITIES[name] & 1)


def has_bridge_netfilter() -> bool:
    """Tell whether packets between pods on one bridge can pass the packet filter."""
    return Path("/proc/sys/net/bridge").exists()


def memory_bytes() -> int:
    """Return how much memory this host has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def boot_id(proc: Path) -> str:
    """Return what tells this boot from every other one; a kubelet says the same of its Node."""
    return (proc / "sys/kernel/random/boot_id").read_text().strip()


def cpus() -> int:
    """Return how many CPUs this host has."""
    return os.cpu_count() or 1
