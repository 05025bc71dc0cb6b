"""What the container runtime runs: the truth where no API answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kubeception import crash
from kubeception.host import crictl
from kubeception.host.gateway import Host

# Asked again and again by whoever has other things to look at.
_CALL_S = 2
_TIMEOUT_S = 10.0
# Ending one takes a busy runtime longer, and half of it is nothing.
_KILL_S = 30


@dataclass(frozen=True)
class Running:
    """A running container: its id, and when it was started, in seconds since the epoch."""

    identity: str
    started_s: float


def running(
    host: Host, socket: Path, *, labels: Mapping[str, str], container: str
) -> list[Running] | None:
    """Return the running containers of that name in pods with these labels, the newest first.

    None where no such pod stands: then nobody starts one again.

    Raises:
        KubeceptionError: the runtime can't be asked.
    """
    ask = partial(crictl.ask, host, socket, call_s=_CALL_S, timeout_s=_TIMEOUT_S)
    wanted = [part for name, value in labels.items() for part in ("--label", f"{name}={value}")]
    pods = [pod["id"] for pod in ask("pods", "--state", "ready", *wanted)["items"]]
    if not pods:
        return None
    found = [
        Running(one["id"], int(one["createdAt"]) / 1e9)
        for pod in pods
        for one in ask("ps", "--pod", pod)["containers"]
        if one["metadata"]["name"] == container
    ]
    return sorted(found, key=lambda one: one.started_s, reverse=True)


def kill(host: Host, socket: Path, *, one: Running, name: str) -> None:
    """Kill a container; whose pod stands, the kubelet starts anew."""
    crash.before("kill", f"container {name}")
    words = ("stop", "--timeout", "0", one.identity)
    crictl.tell(host, socket, *words, call_s=_KILL_S, timeout_s=_KILL_S + _TIMEOUT_S)
