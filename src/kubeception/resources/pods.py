"""The pods of the cluster, wanted gone from a host whose kubelet does not run."""

import re
from dataclasses import dataclass
from pathlib import Path

from kubeception.host import files, mounts, pods
from kubeception.render import containerd
from kubeception.render.objects import MANAGED_BY
from kubeception.session import Session

# What an API server gives a pod, or the kubelet a static one; also as put away by a killed run.
_UID = re.compile(r"([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})")


@dataclass(frozen=True)
class NoPods:
    """No pod of the cluster in the runtime, nor a folder of one; static pods of others stay.

    Without a `folder` these are left, for pods that come back. What is mounted in the folder of a
    pod is its volume, and is unmounted. What else lies between these folders stays, such as a mount
    of the user's.
    """

    folder: Path | None = None

    def __str__(self) -> str:
        return "pods of the cluster"

    def drift(self, session: Session) -> str | None:
        """Say how many are left."""
        state = session.host.systemd.state(containerd.UNIT)
        if not state.exists:
            return None
        if state.active != "active":
            return f"unknown while {containerd.UNIT} is {state.active}"
        ours, others = self._found(session)
        left = self._folders(session, others)
        return f"{len(ours)} of them, {len(left)} folders" if ours or left else None

    def apply(self, session: Session) -> None:
        """End them, and remove their folders."""
        session.host.systemd.start(containerd.UNIT)
        ours, others = self._found(session)
        if ours:
            pods.end(session.host, session.config.layout.containerd.socket, gone=ours)
        for folder in self._folders(session, others):
            mounts.unmount(session.host, folder)
            files.discard(folder)

    def _found(self, session: Session) -> tuple[list[pods.Sandbox], list[pods.Sandbox]]:
        """Return the pods of the cluster, and those that somebody else wants on this host."""
        found = pods.sandboxes(session.host, session.config.layout.containerd.socket)
        ours = [
            one for one in found if one.source == "api" or MANAGED_BY.items() <= one.labels.items()
        ]
        return ours, [one for one in found if one not in ours]

    def _folders(self, session: Session, others: list[pods.Sandbox]) -> list[Path]:
        if self.folder is None:
            return []
        kept = {one.uid for one in others}
        found = [
            path
            for path in session.host.real(self.folder).glob("*")
            if path.name not in kept and not path.is_symlink()
        ]
        return [path for path in found if _UID.fullmatch(files.finished(path).name)]
