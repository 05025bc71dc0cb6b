"""The pods that the container runtime has, whoever wanted them, through crictl."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeception.host import crictl
from kubeception.host.gateway import Host

# crictl's own 2 s are too few for a busy host to end all pods at once.
CALL_S = 60


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
    listed = crictl.ask(host, socket, "pods", call_s=CALL_S)
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
    crictl.tell(host, socket, "rmp", "--force", *(one.identity for one in gone), call_s=CALL_S)
