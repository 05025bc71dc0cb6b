"""A systemd unit that runs, is enabled, and started after its files were last changed."""

import contextlib
import itertools
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kubeception import crash
from kubeception.host import files
from kubeception.session import Session


@dataclass(frozen=True)
class Unit:
    """A wanted running unit.

    Restart is a wanted state, not a notification: a unit that reads files only when it starts has
    to have started after them, so a run killed between the two is mended by the next one. One that
    `keeps_running` is not restarted when only its unit file changes: what that says counts from its
    next start on.
    """

    name: str
    started_after: tuple[Path, ...] = ()
    keeps_running: bool = False

    def __str__(self) -> str:
        return self.name

    def drift(self, session: Session) -> str | None:
        """Say whether it does not run, is not enabled, or runs with what its files said before."""
        state = session.host.systemd.state(self.name)
        if not state.exists:
            return "no such unit"
        if state.active != "active":
            return state.active
        if not state.starts_at_boot:
            return state.enabled or "not enabled"
        if state.needs_reload:
            return "its unit file changed"
        path = newer(session, self.started_after, than_s=state.started_s)
        return f"{path} is newer than its start" if path else None

    def apply(self, session: Session) -> None:
        """Enable it, and start or restart it as needed; waits for the job's end.

        Raises:
            UnitFailed: it did not come up.
        """
        systemd = session.host.systemd
        state = systemd.state(self.name)
        if state.needs_reload or not state.exists:
            systemd.reload()
            if self.keeps_running and state.exists and self.drift(session) is None:
                return
        if state.enabled not in {"enabled", "static"}:
            for link in systemd.enable(self.name):
                _sync(session, link)
            if not systemd.state(self.name).starts_at_boot:  # as it was when systemd read it
                systemd.reload()
        date_back(session, self.started_after)
        if state.active == "active":
            systemd.restart(self.name)
        else:
            systemd.start(self.name)


def _sync(session: Session, link: Path) -> None:
    """Make a link that systemd has made survive a power cut: it may be the first in its folder."""
    for folder in (link.parent, link.parent.parent):
        crash.before("sync the folder", folder)
        files.sync_folder(session.host.real(folder))


def date_back(session: Session, paths: Iterable[Path]) -> None:
    """Have files be of now that a clock which went fast has dated.

    Otherwise whoever reads them at its start would be older than they are for ever.
    """
    now_s = session.host.clock.now().timestamp()
    for path, follows in itertools.product(paths, (True, False)):
        with contextlib.suppress(OSError):  # it is gone, or not ours to date
            at = session.host.at(path)
            if at.stat(follow_symlinks=follows).st_mtime > now_s:
                os.utime(at, (now_s, now_s), follow_symlinks=follows)


def newer(session: Session, paths: Iterable[Path], *, than_s: float) -> Path | None:
    """Return a file that was changed later than a moment, in seconds since the epoch, or None.

    A link that was turned has changed, too.
    """
    for path in paths:
        at = session.host.at(path)
        try:
            changed_s = max(at.stat().st_mtime, at.lstat().st_mtime)
        except FileNotFoundError:
            continue
        if changed_s > than_s:
            return path
    return None
