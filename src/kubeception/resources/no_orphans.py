"""Nothing of this host's pods runs on without its runtime."""

from dataclasses import dataclass

from kubeception.errors import KubeceptionError
from kubeception.host import orphans
from kubeception.session import Session


@dataclass(frozen=True)
class NoOrphans:
    """No process is wanted whose container the runtime has lost."""

    def __str__(self) -> str:
        return "what the runtime has lost"

    def drift(self, session: Session) -> str | None:
        """Say which run on; none where the runtime can't be asked, which others tell."""
        try:
            found = orphans.found(session.host, session.config.layout.containerd.socket)
        except KubeceptionError:
            return None
        return f"runs on: {', '.join(map(str, found))}" if found else None

    def apply(self, session: Session) -> None:
        """Kill them; what the kubelet has started in their place is there already."""
        for one in orphans.found(session.host, session.config.layout.containerd.socket):
            orphans.end(session.host, one)
