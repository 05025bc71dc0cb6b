"""The releases that lie on this host, how one comes to it, and how it gets to one.

All of it by what a person would run.
"""

import hashlib
import logging
from collections.abc import Iterator

from kubeception.bundle import stage
from kubeception.bundle.install import installed
from kubeception.config import cluster
from kubeception.errors import KubeceptionError
from kubeception.host import files
from kubeception.keeper.errand import Asked, Work
from kubeception.kept import revisions
from kubeception.layout import Layout
from kubeception.render import apiserver
from kubeception.session import Session

log = logging.getLogger("kubeception.keeper")


class Bundles:
    """Remembers which bundles lie on this host, and of which the runtime has the images.

    That is read anew when their folder has changed, or could not be read. Others are there, too,
    `lacking` their images yet.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._changed: int | None = None
        self.there: tuple[str, ...] = ()
        self.lacking: tuple[str, ...] = ()

    def are_known(self) -> bool:
        """Read which there are, where that may have changed; tell whether it could be."""
        changed = files.changed_ns(self._session.layout.bundles)
        if changed != self._changed:
            try:
                self._read()
            except KubeceptionError as error:  # the runtime may be about to start
                log.warning("bundles: %s", error.message)
                return False
            self._changed = changed
        return True

    def obstacle(self, bundle: str) -> str | None:
        """Return why this host can't go to a release, or nothing but that it can't yet."""
        if bundle in self.there:
            return None
        return "" if bundle in self.lacking else f"this host has no bundle {bundle}"

    def outcome(self, wanted: Asked) -> tuple[Work | None, str]:
        """Return the answer to having fetched a bundle, once it is there or turns out not to be."""
        # It has come since the last look.
        problem = self.obstacle(wanted.name) if self.are_known() else ""
        if problem:
            return None, f"{wanted}: {problem}: its source has another one"
        return (Work.RUNNING, "") if problem == "" else (None, str(wanted))

    def unprepared(self) -> str | None:
        """Return a bundle whose images nobody has begun to import."""
        units = ((name, preparing(name)) for name in self.lacking)
        return next((name for name, unit in units if not _is_known(self._session, unit)), None)

    def _read(self) -> None:
        """Read which there are.

        None where this host goes by an image: no bundle's commands would reach it. One that is not
        in use counts once the runtime has its images, as pods of it may come before its programs.
        """
        session = self._session
        found = [] if session.host.is_contained else installed(session.host.root)
        whole = sorted((one for one in found if not one.problem), key=lambda one: not one.in_use)
        lacking = stage.lacking(session, [one.name for one in whole if not one.in_use])
        self.there = tuple(one.name for one in whole if one.name not in lacking)
        self.lacking = tuple(lacking)


def preparing(bundle: str) -> str:
    """Return the unit that gives the runtime a bundle's images."""
    return f"kubeception-prepare-{hashlib.sha256(bundle.encode()).hexdigest()[:12]}.service"


def preparation(session: Session, bundle: str) -> tuple[str, ...]:
    """Return the command that does."""
    program = str(session.config.layout.launchers / "kubeception")
    return program, "bundle", "import", str(Layout.bundles / bundle), "--stage"


def commands(session: Session, bundle: str) -> Iterator[tuple[str, ...]]:
    """Yield what brings this host to a release, one after the other, as a person would."""
    program = str(session.config.layout.launchers / "kubeception")
    yield program, "bundle", "import", str(Layout.bundles / bundle)
    yield program, "join" if session.layout.membership.exists() else "bootstrap"


def outcome(session: Session, wanted: Asked, *, is_on_trial: bool) -> tuple[Work | None, str]:
    """Return what has come of one whose unit has ended well: what there is to do, or the answer.

    While its API server is on trial, the host has not come to the end of going there.
    """
    if why := _was_put_back(session):
        return None, f"{wanted}: {why}"
    return (Work.RUNNING, "") if is_on_trial else (None, str(wanted))


def _was_put_back(session: Session) -> str | None:
    """Say why the API server that the cluster's settings ask for was put back on this host."""
    copy, broken = cluster.read(session.layout.cluster), revisions.broken(session.layout.revisions)
    if copy is None or broken is None or session.layout.membership.exists():
        return None
    is_it = broken.settings == apiserver.template_digest(copy.settings)
    return f"{apiserver.NAME}: revision {broken.revision}: {broken.why}" if is_it else None


def _is_known(session: Session, unit: str) -> bool:
    """Tell whether a unit runs, or has failed: until the next boot a person tries it again."""
    try:
        return session.host.systemd.state(unit).exists
    except KubeceptionError:
        return True
