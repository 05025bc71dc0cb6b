"""The pods that the container runtime has, whoever wanted them, through crictl."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kubeception import crash
from kubeception.errors import KubeceptionError
from kubeception.host import crictl
from kubeception.host.gateway import Host

# crictl's own 2 s are too few for a busy host to end all pods at once.
CALL_S = 60
_LOOK_S, _TIMEOUT_S = 2, 10.0


@dataclass(frozen=True)
class Sandbox:
    """A pod as the runtime knows it, with the labels and annotations of its manifest."""

    identity: str
    uid: str
    namespace: str
    name: str
    created_s: float
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def source(self) -> str:
        """Where its kubelet had it from: `api` or `file`."""
        return self.annotations.get("kubernetes.io/config.source", "")


def sandboxes(host: Host, socket: Path) -> list[Sandbox]:
    """Return every pod of the runtime behind a socket."""
    listed = crictl.ask(host, socket, "pods", call_s=CALL_S)
    return [
        Sandbox(
            identity=one["id"],
            uid=one["metadata"]["uid"],
            namespace=one["metadata"]["namespace"],
            name=one["metadata"]["name"],
            created_s=int(one["createdAt"]) / 1e9,
            labels=one["labels"],
            annotations=one["annotations"],
        )
        for one in listed["items"]
    ]


def identities(host: Host, socket: Path) -> set[str]:
    """Return the ids of them all; for who has other things to look at.

    Raises:
        KubeceptionError: the runtime can't be asked.
    """
    listed = crictl.ask(host, socket, "pods", call_s=_LOOK_S, timeout_s=_TIMEOUT_S)
    return {one["id"] for one in listed["items"]}


def address(host: Host, socket: Path, one: Sandbox) -> str:
    """Return the address of a pod's own network, "" for none, and for one that has just ended."""
    with suppress(KubeceptionError):
        found = crictl.ask(host, socket, "inspectp", one.identity, call_s=CALL_S)
        return str(found["status"]["network"].get("ip") or "")
    return ""


def stop(host: Host, socket: Path, one: Sandbox) -> None:
    """End a pod; its kubelet starts it anew, with a network of today."""
    crash.before("end", f"pod {one.identity}")
    crictl.tell(host, socket, "stopp", one.identity, call_s=CALL_S)


def end(host: Host, socket: Path, *, gone: Sequence[Sandbox]) -> None:
    """Kill the containers of some pods and remove all that the runtime has of them."""
    crictl.tell(host, socket, "rmp", "--force", *(one.identity for one in gone), call_s=CALL_S)
