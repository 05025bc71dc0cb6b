"""Processes of containers that run on though the runtime has lost them, since their shim has ended.

They keep ports, volumes and Leases, while the kubelet starts the same container anew beside them. A
shim takes in what its container leaves behind, so only without one is PID 1 their parent.
"""

import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kubeception import crash
from kubeception.host import crictl
from kubeception.host.gateway import Host

_CALL_S, _TIMEOUT_S = 2, 10.0
_CONTAINER = re.compile(r"kubepods.*\b([0-9a-f]{64})\b")


@dataclass(frozen=True)
class Orphan:
    """A process, by its number and its program, and the container that it was started for."""

    pid: int
    program: str
    container: str

    def __str__(self) -> str:
        return f"{self.program} (pid {self.pid})"


def found(host: Host, socket: Path) -> list[Orphan]:
    """Return those of containers that the runtime does not call running.

    Raises:
        KubeceptionError: the runtime can't be asked.
    """
    some = list(_without_a_shim(host.proc))
    if not some:
        return []
    listed = crictl.ask(host, socket, "ps", call_s=_CALL_S, timeout_s=_TIMEOUT_S)["containers"]
    ready = ("pods", "--state", "ready")
    pods = crictl.ask(host, socket, *ready, call_s=_CALL_S, timeout_s=_TIMEOUT_S)["items"]
    known = {one["id"] for one in (*listed, *pods)}
    return [one for one in some if one.container not in known]


def end(host: Host, one: Orphan) -> None:
    """Kill one, unless it has ended, and its number is another one's by now."""
    crash.before("kill", str(one))
    try:
        handle = os.pidfd_open(one.pid)
    except ProcessLookupError:
        return
    try:
        if one in _without_a_shim(host.proc):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


def _without_a_shim(proc: Path) -> Iterator[Orphan]:
    """Yield the children of PID 1 that are in a pod's group, and see other files than the host."""
    try:
        children = (proc / "1/task/1/children").read_text().split()
        own = (proc / "1/ns/mnt").readlink()
    except OSError:  # a kernel without CONFIG_PROC_CHILDREN
        return
    for pid in children:
        at = proc / pid
        try:
            container = _CONTAINER.search((at / "cgroup").read_text())
            if container and (at / "ns/mnt").readlink() != own:
                yield Orphan(int(pid), (at / "comm").read_text().strip(), container[1])
        except OSError:  # it has just ended
            continue
