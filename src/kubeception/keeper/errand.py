"""What a host's Node sends it to do, what is left to do of it, and what the host answers.

A unit of systemd's does it, for the keeper itself may be restarted on the way. What that unit is at
says all: after a reboot there is none, so it is run again, and changes what is left.
"""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from kubeception.errors import KubeceptionError
from kubeception.host import logs
from kubeception.render.cluster_upgrade import ORDER_NAMES, ORDER_NOTE, Errand
from kubeception.session import Session

log = logging.getLogger("kubeception.keeper")

# The uid of a ClusterUpgrade, which a unit's name has in it.
_RUN = "[0-9a-f-]{1,36}"
# As much of what a unit has said last, at the end of which is why.
_WORDS = 600


@dataclass(frozen=True)
class Asked:
    """What a Node asks of its host: which ClusterUpgrade does, by its uid, and for what."""

    run: str
    name: str
    errand: Errand = Errand.RELEASE
    order: str = ""
    """The name of that ClusterUpgrade, where the host reads it."""

    @property
    def unit(self) -> str:
        """The unit that does it."""
        return f"kubeception-{self.errand}-{self.run}.service"

    @property
    def what(self) -> str:
        """What it is for, in words."""
        return f"{self.errand} {self.name}"

    def is_answered(self, notes: Mapping[str, str]) -> bool:
        """Tell whether a Node's annotations have the host's answer."""
        said = notes.get(self.errand.answer, "")
        return said == str(self) or said.startswith(f"{self}: ")

    def __str__(self) -> str:
        return f"{self.run}/{self.name}"


class Work(StrEnum):
    """What a unit is at."""

    DUE = "due"
    RUNNING = "running"


@dataclass(frozen=True)
class Errands:
    """What there is to do: what is asked for and not answered, and what the Node does not say.

    `unprepared` is a bundle whose images the runtime is to get beforehand.
    """

    asked: Asked | None = None
    work: Work | None = None
    notes: tuple[tuple[str, str], ...] = ()
    unprepared: str | None = None


NO_ERRANDS = Errands()


def asked(notes: Mapping[str, str]) -> Asked | None:
    """Return what a Node's annotations ask for; nothing is fetched by nobody's word."""
    for errand in Errand:
        if found := re.fullmatch(f"({_RUN})/({errand.names})", notes.get(errand.note, "")):
            if errand is not Errand.FETCH:
                return Asked(found[1], found[2], errand)
            order = notes.get(ORDER_NOTE, "")
            is_name = re.fullmatch(ORDER_NAMES, order)
            return Asked(found[1], found[2], errand, order) if is_name else None
    return None


def due(
    said: Mapping[str, str],
    wanted: Mapping[str, str],
    *,
    standing: Callable[[Asked], tuple[Work | None, str]],
    obstacle: Callable[[Asked], str | None],
) -> Errands:
    """Return what a Node's annotations leave to do, where it is to have these in any case. Pure.

    `standing` says of what is asked for what there is to do, or the answer; `obstacle` why that
    can't be done, or nothing but that it can't be yet.
    """
    errand, work, notes = asked(said), None, dict(wanted)
    if errand and not errand.is_answered(said):
        work, answer = standing(errand)
        if work is Work.DUE and (why := obstacle(errand)) is not None:
            work, answer = None, f"{errand}: {why}" if why else ""
        if answer:
            notes[errand.errand.answer] = answer
    missing = tuple((key, value) for key, value in notes.items() if said.get(key, "") != value)
    return Errands(errand, work, missing)


def standing(session: Session, wanted: Asked) -> tuple[Work | None, str]:
    """Return what there is to do, or the answer."""
    try:
        state = session.host.systemd.state(wanted.unit)
    except KubeceptionError as error:  # it may be running: the next look will tell
        log.warning("%s: %s", wanted.unit, error.message)
        return Work.RUNNING, ""
    if not state.exists:
        return Work.DUE, ""
    if state.active == "active":
        return None, str(wanted)
    if state.active == "failed":
        words = " | ".join(logs.of_unit(wanted.unit)) or state.result
        return None, f"{wanted}: {words[-_WORDS:]}"
    return Work.RUNNING, ""
