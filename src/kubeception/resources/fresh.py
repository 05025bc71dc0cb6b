"""What runs is wanted to have started after files that it reads only then; what doesn't, is not.

Unlike `Unit`, which is wanted to run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kubeception.errors import KubeceptionError
from kubeception.host import containers
from kubeception.resources.unit import date_back, newer
from kubeception.session import Session


@dataclass(frozen=True)
class FreshUnit:
    """A unit that, where it runs, has started after these files."""

    name: str
    started_after: tuple[Path, ...]

    def __str__(self) -> str:
        return self.name

    def drift(self, session: Session) -> str | None:
        """Say which file is newer than its start."""
        state = session.host.systemd.state(self.name)
        if state.active != "active":
            return None
        path = newer(session, self.started_after, than_s=state.started_s)
        return f"{path} is newer than its start" if path else None

    def apply(self, session: Session) -> None:
        """Restart it; waits for the job's end."""
        date_back(session, self.started_after)
        session.host.systemd.restart(self.name)


@dataclass(frozen=True)
class FreshContainer:
    """A container of pods with these labels that, where it runs, has started after these files."""

    name: str
    labels: Mapping[str, str]
    started_after: tuple[Path, ...]

    def __str__(self) -> str:
        return f"container {self.name}"

    def drift(self, session: Session) -> str | None:
        """Say which file is newer than the start of one."""
        stale = self._stale(session)
        return f"{stale[0][1]} is newer than its start" if stale else None

    def apply(self, session: Session) -> None:
        """End those; the kubelet starts them anew."""
        socket, stale = session.config.layout.containerd.socket, self._stale(session)
        date_back(session, self.started_after)
        for one, _ in stale:
            containers.kill(session.host, socket, one=one, name=self.name)

    def _stale(self, session: Session) -> list[tuple[containers.Running, Path]]:
        """Return those that started before a file, with it.

        There are none where the runtime can't be asked: it is off, or the host has no crictl.
        """
        socket = session.config.layout.containerd.socket
        try:
            found = containers.running(
                session.host, socket, labels=self.labels, container=self.name
            )
        except KubeceptionError:
            return []
        return [
            (one, path)
            for one in found or ()
            if (path := newer(session, self.started_after, than_s=one.started_s))
        ]
