"""The pods that the container runtime has, whoever wanted them, through crictl."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeception.host.gateway import Host

# crictl's own 2 s are too few for a busy host to end all pods at once.
_TIMEOUT = "60s"


@dataclass(frozen=True)
class Sandbox:
    """A pod as the runtime knows it, with the labels of its manifest.

    `source` is where its kubelet had it from: `api` or `file`.
    """

    identity: str
    uid: str
    source: str
    labels: Mapping[str, str]


def sandboxes(host: Host, socket: Path) -> list[Sandbox]:
    """Return every pod of the runtime behind a socket."""
    listed = json.loads(host.run(_crictl(socket, "pods", "--output", "json")).stdout)
    return [
        Sandbox(
            identity=one["id"],
            uid=one["metadata"]["uid"],
            source=one["annotations"].get("kubernetes.io/config.source", ""),
            labels=one["labels"],
        )
        for one in listed["items"]
    ]


def end(host: Host, socket: Path, *, gone: Sequence[Sandbox]) -> None:
    """Kill the containers of some pods and remove all that the runtime has of them."""
    host.run(_crictl(socket, "rmp", "--force", *(one.identity for one in gone)))


def _crictl(socket: Path, *words: str) -> list[str]:
    options = ("--runtime-endpoint", f"unix://{socket}", "--timeout", _TIMEOUT)
    return ["crictl", *options, *words]
