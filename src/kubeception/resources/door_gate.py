"""The readiness gate of the API server pod that the door leads to.

A rolling update may take the old pod away only once new connections go to the new one; the gate is
how the DaemonSet's controller learns of it.
"""

from dataclasses import dataclass

from kubeception import timestamp
from kubeception.conditions.reading import condition_of
from kubeception.kube.client import Object
from kubeception.render import apiserver
from kubeception.render.objects import NAMESPACE
from kubeception.session import Session


@dataclass(frozen=True)
class DoorGate:
    """The pods of this node on the live port are wanted to be marked as behind the door."""

    node: str
    port: int

    def __str__(self) -> str:
        return "readiness gate of the API server behind the door"

    def drift(self, session: Session) -> str | None:
        """Say which pod is not marked."""
        unmarked = self._unmarked(session)
        return f"{unmarked[0]['metadata']['name']} is not marked" if unmarked else None

    def apply(self, session: Session) -> None:
        """Mark them."""
        mark = {
            "type": apiserver.DOOR_GATE,
            "status": "True",
            "lastTransitionTime": timestamp.text(session.host.clock.now()),
        }
        for pod in self._unmarked(session):
            session.api.merge(
                "Pod",
                pod["metadata"]["name"],
                {"status": {"conditions": [mark]}},
                namespace=NAMESPACE,
                status=True,
            )

    def _unmarked(self, session: Session) -> list[Object]:
        pods = session.api.list(
            "Pod",
            namespace=NAMESPACE,
            labels=apiserver.LABELS,
            fields={"spec.nodeName": self.node},
        )
        return [
            pod
            for pod in pods
            if "deletionTimestamp" not in pod["metadata"]
            and pod["metadata"].get("annotations", {}).get(apiserver.PORT_NOTE) == str(self.port)
            and not condition_of(pod, apiserver.DOOR_GATE)
        ]
