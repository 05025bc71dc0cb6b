"""A unit that goes by a file as it is now, and is not started anew for that."""

from dataclasses import dataclass
from pathlib import Path

from kubeception import crash
from kubeception.host import files
from kubeception.resources.unit import newer
from kubeception.session import Session


@dataclass(frozen=True)
class Reloaded:
    """A unit that reads a file when it starts and when a command tells it to.

    That it was told is noted until the host goes down, so a run killed before that is mended by the
    next one. One that does not run reads it when it starts.
    """

    unit: str
    file: Path
    command: tuple[str, ...]

    def __str__(self) -> str:
        return f"settings of {self.unit}"

    def drift(self, session: Session) -> str | None:
        """Say that the file is newer than what it goes by."""
        state = session.host.systemd.state(self.unit)
        if state.active != "active":
            return None
        told_s = files.changed_ns(session.layout.reloaded / self.unit) / 1e9
        path = newer(session, (self.file,), than_s=max(state.started_s, told_s))
        return f"{path} is newer than what it goes by" if path else None

    def apply(self, session: Session) -> None:
        """Tell it to read the file."""
        crash.before("reload", self.unit)
        session.host.run(self.command)
        files.write(session.layout.reloaded / self.unit, f"{self.file}\n")
