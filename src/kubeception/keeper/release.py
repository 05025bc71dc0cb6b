"""The release that this host's Node asks it to go to, and what the host says of its releases.

A unit of systemd's runs what a person would: the keeper itself is restarted on the way. What that
unit is at says all: after a reboot there is none, so it is run again, and changes what is left.
"""

import hashlib
import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from kubeception.bundle import stage
from kubeception.bundle.install import installed
from kubeception.config import cluster
from kubeception.errors import KubeceptionError
from kubeception.host import files, logs
from kubeception.kept import revisions
from kubeception.kube.client import Object
from kubeception.layout import Layout
from kubeception.render import apiserver
from kubeception.render.cluster_upgrade import ANSWER_NOTE, BUNDLES_NOTE, RELEASE_NOTE
from kubeception.session import Session

log = logging.getLogger("kubeception.keeper")

# The uid of a ClusterUpgrade, which a unit's name has in it, and the name of a bundle.
_ASKED = re.compile(r"([0-9a-f-]{1,36})/([0-9A-Za-z][0-9A-Za-z.+~-]*)")
# As much of what a unit has said last, at the end of which is why.
_WORDS = 600


@dataclass(frozen=True)
class Asked:
    """What a Node asks of its host: which ClusterUpgrade does, by its uid, for which bundle."""

    run: str
    bundle: str

    @property
    def unit(self) -> str:
        """The unit that does it."""
        return f"kubeception-release-{self.run}.service"

    def __str__(self) -> str:
        return f"{self.run}/{self.bundle}"


class Work(StrEnum):
    """What a unit is at."""

    DUE = "due"
    RUNNING = "running"


@dataclass(frozen=True)
class Releases:
    """What there is to do: what is asked for and not answered, and what the Node does not say.

    `unprepared` is a bundle whose images the runtime is to get beforehand.
    """

    asked: Asked | None = None
    work: Work | None = None
    notes: tuple[tuple[str, str], ...] = ()
    unprepared: str | None = None


def asked(notes: Mapping[str, str]) -> Asked | None:
    """Return what a Node's annotations ask for."""
    found = _ASKED.fullmatch(notes.get(RELEASE_NOTE, ""))
    return Asked(found[1], found[2]) if found else None


NONE_ASKED = Releases()


class Bundles:
    """Remembers which bundles lie on this host, and of which the runtime has the images.

    That is read anew when their folder has changed, or could not be read.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._changed: int | None = None
        self._there: tuple[str, ...] = ()
        self._lacking: tuple[str, ...] = ()

    def look(self, node: Object, *, is_on_trial: bool = False) -> Releases:
        """Return what there is to do about releases on this host.

        While its API server is on trial, the host has not come to the end of going to one.
        """
        session = self._session
        changed = files.changed_ns(session.layout.bundles)
        if changed != self._changed:
            try:
                self._read()
            except KubeceptionError as error:  # the runtime may be about to start
                log.warning("bundles: %s", error.message)
                return NONE_ASKED
            self._changed = changed
        said: dict[str, str] = node["metadata"].get("annotations") or {}
        found = due(
            said,
            self._there,
            lambda wanted: _standing(session, wanted, is_on_trial=is_on_trial),
            lacking=self._lacking,
        )
        return found if found.work else replace(found, unprepared=self._unprepared())

    def _read(self) -> None:
        """Read which there are.

        None where this host goes by an image: no bundle's commands would reach it. One that is not
        in use counts once the runtime has its images, as pods of it may come before its programs.
        """
        session = self._session
        found = [] if session.host.is_contained else installed(session.host.root)
        whole = sorted((one for one in found if not one.problem), key=lambda one: not one.in_use)
        lacking = stage.lacking(session, [one.name for one in whole if not one.in_use])
        self._there = tuple(one.name for one in whole if one.name not in lacking)
        self._lacking = tuple(lacking)

    def _unprepared(self) -> str | None:
        """Return a bundle whose images nobody has begun to import."""
        units = ((name, preparing(name)) for name in self._lacking)
        return next((name for name, unit in units if not _is_known(self._session, unit)), None)


def due(
    said: Mapping[str, str],
    there: Sequence[str],
    standing: Callable[[Asked], tuple[Work | None, str]],
    *,
    lacking: Collection[str] = (),
) -> Releases:
    """Return what a Node's annotations leave to do, where these bundles are there. Pure.

    `standing` says of what is asked for what there is to do, or the answer. Others are there, too,
    `lacking` their images yet.
    """
    wanted, work = asked(said), None
    notes = {BUNDLES_NOTE: " ".join(there)}
    if wanted and not _is_answer(said.get(ANSWER_NOTE, ""), wanted):
        if wanted.bundle in there:
            work, answer = standing(wanted)
        elif wanted.bundle in lacking:
            answer = ""
        else:
            answer = f"{wanted}: this host has no bundle {wanted.bundle}"
        if answer:
            notes[ANSWER_NOTE] = answer
    missing = tuple((key, value) for key, value in notes.items() if said.get(key, "") != value)
    return Releases(wanted, work, missing)


def preparing(bundle: str) -> str:
    """Return the unit that gives the runtime a bundle's images."""
    return f"kubeception-prepare-{hashlib.sha256(bundle.encode()).hexdigest()[:12]}.service"


def preparation(session: Session, bundle: str) -> tuple[str, ...]:
    """Return the command that does."""
    program = str(session.config.layout.launchers / "kubeception")
    return program, "bundle", "import", str(Layout.bundles / bundle), "--stage"


def commands(session: Session, wanted: Asked) -> Iterator[tuple[str, ...]]:
    """Yield what brings this host to a release, one after the other, as a person would."""
    program = str(session.config.layout.launchers / "kubeception")
    yield program, "bundle", "import", str(Layout.bundles / wanted.bundle)
    yield program, "join" if session.layout.membership.exists() else "bootstrap"


def _is_known(session: Session, unit: str) -> bool:
    """Tell whether a unit runs, or has failed: until the next boot a person tries it again."""
    try:
        return session.host.systemd.state(unit).exists
    except KubeceptionError:
        return True


def _is_answer(said: str, wanted: Asked) -> bool:
    return said == str(wanted) or said.startswith(f"{wanted}: ")


def _standing(session: Session, wanted: Asked, *, is_on_trial: bool) -> tuple[Work | None, str]:
    """Return what there is to do, or the answer."""
    try:
        state = session.host.systemd.state(wanted.unit)
    except KubeceptionError as error:  # at the next look, perhaps
        log.warning("%s: %s", wanted.unit, error.message)
        return None, ""
    if not state.exists:
        return Work.DUE, ""
    if state.active == "active":
        if why := _was_put_back(session):
            return None, f"{wanted}: {why}"
        return (Work.RUNNING, "") if is_on_trial else (None, str(wanted))
    if state.active == "failed":
        words = " | ".join(logs.of_unit(wanted.unit)) or state.result
        return None, f"{wanted}: {words[-_WORDS:]}"
    return Work.RUNNING, ""


def _was_put_back(session: Session) -> str | None:
    """Say why the API server that the cluster's settings ask for was put back on this host."""
    copy, broken = cluster.read(session.layout.cluster), revisions.broken(session.layout.revisions)
    if copy is None or broken is None or session.layout.membership.exists():
        return None
    is_it = broken.settings == apiserver.template_digest(copy.settings)
    return f"{apiserver.NAME}: revision {broken.revision}: {broken.why}" if is_it else None
