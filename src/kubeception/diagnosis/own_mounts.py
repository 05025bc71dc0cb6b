"""A containerd or kubelet with mounts of its own, whatever has given it these."""

from collections.abc import Mapping
from pathlib import Path

from kubeception.errors import KubeceptionError
from kubeception.render import containerd, kubelet
from kubeception.session import Session

_UNITS = (containerd.UNIT, kubelet.UNIT)


def problem(session: Session) -> str | None:
    """Say which of their units has some, and what shows by which setting."""
    try:
        with session.host.systemd.apart() as systemd:  # the keeper looks from a thread, too
            pids = {unit: systemd.main_pid(unit) for unit in _UNITS}
    except KubeceptionError:  # that it can't be asked is told by others
        return None
    return "; ".join(map(_told, apart(session.host.proc, pids))) or None


def apart(proc: Path, pids: Mapping[str, int]) -> list[str]:
    """Return the units whose main process sees other mounts than the host's first one."""
    hosts = _namespace(proc, 1)
    found = {unit: _namespace(proc, pid) for unit, pid in pids.items() if pid}
    return [unit for unit, own in found.items() if hosts and own and own != hosts]


def _told(unit: str) -> str:
    return (
        f"{unit} has mounts of its own: what is mounted in them no other program sees, a pod's"
        f" volumes among it (systemctl cat {unit} shows by which setting; take that out, then:"
        f" systemctl daemon-reload; systemctl restart {unit})"
    )


def _namespace(proc: Path, pid: int) -> str | None:
    """Return what tells a process' mounts from others', None where that can't be read."""
    try:
        return str((proc / str(pid) / "ns/mnt").readlink())
    except OSError:  # it has ended, or this isn't root
        return None
