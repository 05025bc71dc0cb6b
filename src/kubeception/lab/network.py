"""A lab's network: a namespace of its own with a bridge in it and no way out."""

import os
from pathlib import Path

from kubeception.host import process
from kubeception.lab import kill_with_parent
from kubeception.lab.paths import BRIDGE, GATEWAY, PREFIX

# The namespace gets its name last, so that one with a name is complete.
_MAKE = f"""set -e
ip link set lo up
ip link add {BRIDGE} type bridge
ip address add {GATEWAY}/{PREFIX} dev {BRIDGE}
ip link set {BRIDGE} up
# There is no route onwards: a router says so at once, a mere host would leave the sender waiting.
echo 1 >/proc/sys/net/ipv4/ip_forward
mount --bind /proc/self/ns/net "$1"
"""


def make(namespace: Path) -> None:
    """Make the namespace and its bridge, unless they are there."""
    if os.path.ismount(namespace):
        return
    namespace.parent.mkdir(parents=True, exist_ok=True)
    namespace.touch()
    kill_with_parent.run(["sh", "-c", _MAKE, "sh", namespace], apart=["--net"])


def remove(namespace: Path) -> None:
    """Give the namespace up; the kernel removes it when the last process has left it."""
    while os.path.ismount(namespace):
        process.run(["umount", namespace])
    namespace.unlink(missing_ok=True)
