"""The machine that something was measured on, in words."""

import os
import platform

from kubeception import versions
from kubeception.host import kernel


def words() -> str:
    """Return its size and what runs on it."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    kubernetes = versions.BUILT_IN.kubernetes
    linux = platform.release().split("-")[0]
    return (
        f"{os.cpu_count()} cores, {memory_gib:.0f} GiB of memory,\n"
        f"Linux {linux}, cgroup v{kernel.cgroup_version()}, Kubernetes {kubernetes}"
    )
