"""Data of etcd in another folder than ours, wanted to be removed by whoever chose that folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeception.errors import KubeceptionError
from kubeception.host.mounts import shown
from kubeception.session import Session

_FLAGS = ("--data-dir", "-data-dir")


@dataclass(frozen=True)
class NoOtherData:
    """No data where a unit of the host's own has etcd keep them, by a flag: settings can't undo it.

    That folder may have been in use before there was a cluster, so they are named and left.
    """

    unit: str
    ours: Path

    def __str__(self) -> str:
        return f"data of {self.unit}"

    def drift(self, session: Session) -> str | None:
        """Say where they are."""
        folder = data_folder(session.host.systemd.state(self.unit).command)
        if folder is None or session.host.real(folder) == session.host.real(self.ours):
            return None
        return f"in {shown(folder)}" if (session.host.real(folder) / "member").exists() else None

    def apply(self, session: Session) -> None:
        """Refuse.

        Raises:
            KubeceptionError: they are there.
        """
        if (where := self.drift(session)) is None:
            return
        folder = data_folder(session.host.systemd.state(self.unit).command) or self.ours
        raise KubeceptionError(
            f"{self.unit} keeps its data {where}, by its own unit, not in {self.ours}",
            hint=f"rm -r {shown(folder / 'member')}, if only the cluster's, then run this again",
        )


def data_folder(command: Sequence[str]) -> Path | None:
    """Return the folder that a command line gives to etcd; None where it gives none.

    One that is made of variables comes from the settings.
    """
    found = None
    for word, following in zip(command, (*command[1:], ""), strict=True):
        flag, equals, value = word.partition("=")
        if flag in _FLAGS:
            found = value if equals else following
    return Path(found) if found and found.startswith("/") and "$" not in found else None
