"""A DaemonSet with a pod on every node, whose roll no node holds up that is off."""

from dataclasses import dataclass, field
from typing import Any

from kubeception import conditions
from kubeception.resources.object import Object
from kubeception.session import Session


@dataclass(frozen=True)
class NodeDaemonSet(Object):
    """One of which a bootstrap of the host of node `here` waits for that node's pod.

    A pod on a node that is off counts as unavailable whether it is an old one, one that is to end,
    or a new one, so with `maxUnavailable` at 1 no other node would get the new one. While a roll is
    held up so, as many more may be unavailable; how many may be is else nothing that we ask for.
    https://kubernetes.io/docs/tasks/manage-daemon/update-daemon-set/
    """

    here: str = field(kw_only=True)

    def drift(self, session: Session) -> str | None:
        """Say how it would change if it were applied now, or that its roll is held up."""
        if why := super().drift(session):
            return why
        needed = self._needed(session)
        return f"its roll waits for nodes that are off: {needed - 1}" if needed else None

    def apply(self, session: Session) -> None:
        """Apply it, and let its roll go on where nodes are off."""
        super().apply(session)
        if needed := self._needed(session):
            metadata = self.wanted["metadata"]
            strategy = {"rollingUpdate": {"maxUnavailable": needed}}
            session.api.merge(
                self.wanted["kind"],
                metadata["name"],
                {"spec": {"updateStrategy": strategy}},
                namespace=metadata["namespace"],
            )

    def _needed(self, session: Session) -> int | None:
        """Return how many have to be let be unavailable, None where that is so or none rolls."""
        found = self._found(session)
        if found is None or not _is_rolling(found):
            return None
        rolling = found["spec"]["updateStrategy"].get("rollingUpdate", {})
        allowed = rolling.get("maxUnavailable")
        needed = len(conditions.absent(session, here=self.here)) + 1
        # A percentage is somebody's own, who has thought of how many nodes there are; and with none
        # it rolls by surge, which nodes that are off don't hold up.
        is_held_up = isinstance(allowed, int) and 1 <= allowed < needed
        return needed if is_held_up else None


def _is_rolling(found: dict[str, Any]) -> bool:
    status = found.get("status", {})
    if status.get("observedGeneration") != found["metadata"]["generation"]:
        return True
    updated = status.get("updatedNumberScheduled", 0)
    return bool(updated < status.get("desiredNumberScheduled", 0))
