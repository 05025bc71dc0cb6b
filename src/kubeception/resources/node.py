"""The node of a control-plane host: that it is there, its role label and taint."""

from dataclasses import dataclass
from typing import Any

from kubeception.errors import ApiError
from kubeception.host import kernel
from kubeception.render import kubelet
from kubeception.render.objects import CONTROL_PLANE, HOSTNAME
from kubeception.session import Session

LABELS = {CONTROL_PLANE: "", "node.kubernetes.io/exclude-from-external-load-balancers": ""}
# More than any kubelet's --max-pods: how many there are to be is for the kubelet to say.
_MOST_PODS = 999
TAINT = {"key": CONTROL_PLANE, "effect": "NoSchedule"}


@dataclass(frozen=True)
class KnownNode:
    """A Node that was deleted is wanted back: a kubelet registers it only once, when it starts.

    It comes back with its label and taint, since without them the DaemonSet's controller would end
    the API server. One that never was is the kubelet's to make.
    """

    name: str

    def __str__(self) -> str:
        return f"Node {self.name}"

    def drift(self, session: Session) -> str | None:
        """Say whether it is gone while pods are bound to it."""
        if session.api.get("Node", self.name) is not None:
            return None
        bound = session.api.list("Pod", fields={"spec.nodeName": self.name})
        return "was deleted" if bound else None

    def apply(self, session: Session) -> None:
        """Make it, and have the kubelet tell the rest, as it does when it starts."""
        try:
            session.api.create(made_again(self.name))
        except ApiError as error:
            if error.status != 409:
                raise
        session.host.systemd.restart(kubelet.UNIT)


def made_again(name: str) -> dict[str, Any]:
    """Return the Node of this host until its kubelet tells the rest.

    A kubelet that starts admits its pods anew by what the Node says, and may do so before it has
    told it: by a Node without room it would end them all. Its system's label is the kubelet's to
    bring: the DaemonSet controller, asked for a Node twice within milliseconds, may miss it.
    """
    labels = {**LABELS, HOSTNAME: name}
    room = {
        "cpu": str(kernel.cpus()),
        "memory": str(kernel.memory_bytes()),
        "pods": str(_MOST_PODS),
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": [TAINT]},
        "status": {"capacity": room, "allocatable": room},
    }


@dataclass(frozen=True)
class ControlPlaneNode:
    """A node that is wanted to carry the control plane's labels and taint.

    And its host's label, which a kubelet gives it once, when it starts; by it pods are spread.
    """

    name: str

    def __str__(self) -> str:
        return f"Node {self.name}"

    @property
    def _labels(self) -> dict[str, str]:
        return {**LABELS, HOSTNAME: self.name}

    def drift(self, session: Session) -> str | None:
        """Say what it lacks."""
        node = session.api.get("Node", self.name)
        if node is None:
            return "missing"
        labels = node["metadata"].get("labels", {})
        missing = [name for name, value in self._labels.items() if labels.get(name) != value]
        if missing:
            return f"label {missing[0]} is missing"
        return None if _has_taint(node) else f"taint {CONTROL_PLANE} is missing"

    def apply(self, session: Session) -> None:
        """Label and taint it, keeping every other label and taint."""
        while True:
            node = session.api.get("Node", self.name) or {"metadata": {}, "spec": {}}
            change: dict[str, Any] = {"metadata": {"labels": self._labels}}
            if not _has_taint(node):
                # The list of taints is one value to the API: it is sent whole, with the version
                # that was read, so that a taint set meanwhile is not lost.
                change["metadata"]["resourceVersion"] = node["metadata"].get("resourceVersion")
                change["spec"] = {"taints": [*node["spec"].get("taints", []), TAINT]}
            try:
                session.api.merge("Node", self.name, change)
            except ApiError as error:
                if error.status != 409:
                    raise
                continue
            return


def _has_taint(node: dict[str, Any]) -> bool:
    taints = node.get("spec", {}).get("taints", [])
    return any((t["key"], t["effect"]) == (TAINT["key"], TAINT["effect"]) for t in taints)
