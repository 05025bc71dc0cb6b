"""What the container runtime runs, by crictl: the truth where no API answers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubeception import crash
from kubeception.errors import KubeceptionError
from kubeception.host.gateway import Host

_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Running:
    """A running container: its id, and when it was started, in seconds since the epoch."""

    identity: str
    started_s: float


def running(host: Host, labels: Mapping[str, str], *, container: str) -> list[Running] | None:
    """Return the running containers of that name in pods with these labels, the newest first.

    None where no such pod stands: then nobody starts one again.

    Raises:
        KubeceptionError: the runtime can't be asked.
    """
    wanted = [part for name, value in labels.items() for part in ("--label", f"{name}={value}")]
    pods = [pod["id"] for pod in _ask(host, "pods", "--state", "ready", *wanted)["items"]]
    if not pods:
        return None
    found = [
        Running(one["id"], int(one["createdAt"]) / 1e9)
        for pod in pods
        for one in _ask(host, "ps", "--pod", pod)["containers"]
        if one["metadata"]["name"] == container
    ]
    return sorted(found, key=lambda one: one.started_s, reverse=True)


def kill(host: Host, one: Running, *, name: str) -> None:
    """Kill a container; whose pod stands, the kubelet starts anew."""
    crash.before("kill", f"container {name}")
    host.run(["crictl", "stop", "--timeout", "0", one.identity], timeout=_TIMEOUT_S)


def _ask(host: Host, *question: str) -> dict[str, Any]:
    argv = ["crictl", *question, "--output", "json"]
    answer: dict[str, Any] = json.loads(host.run(argv, timeout=_TIMEOUT_S).stdout)
    if not isinstance(answer, dict):
        raise KubeceptionError(f"crictl {question[0]}: no answer to be understood")
    return answer
