"""Look at what this host's Node sends it to do, and at what it is to say of the host."""

from collections.abc import Iterator
from dataclasses import replace

from kubeception.host import kernel
from kubeception.keeper import command, errand, fetch, release
from kubeception.keeper.errand import NO_ERRANDS, Asked, Errands, Work
from kubeception.kube.client import Object
from kubeception.layout import Layout
from kubeception.render.cluster_upgrade import BUNDLES_NOTE, NEEDED_NOTE, Errand
from kubeception.session import Session


class ErrandWatch:
    """Remembers which bundles lie on this host."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._bundles = release.Bundles(session)

    def look(self, node: Object, *, is_on_trial: bool = False) -> Errands:
        """Return what there is to do on this host, whose API server may be on trial."""
        if not self._bundles.are_known():
            return NO_ERRANDS
        found = errand.due(
            node["metadata"].get("annotations") or {},
            {BUNDLES_NOTE: " ".join(self._bundles.there), NEEDED_NOTE: needed(self._session)},
            standing=lambda wanted: self._standing(wanted, is_on_trial=is_on_trial),
            obstacle=self._obstacle,
        )
        return found if found.work else replace(found, unprepared=self._bundles.unprepared())

    def _standing(self, wanted: Asked, *, is_on_trial: bool) -> tuple[Work | None, str]:
        found = errand.standing(self._session, wanted)
        has_ended_well = found == (None, str(wanted))
        if has_ended_well and wanted.errand is Errand.RELEASE:
            return release.outcome(self._session, wanted, is_on_trial=is_on_trial)
        if has_ended_well and wanted.errand is Errand.FETCH:
            return self._bundles.outcome(wanted)
        return found

    def _obstacle(self, wanted: Asked) -> str | None:
        match wanted.errand:
            case Errand.RELEASE:
                return self._bundles.obstacle(wanted.name)
            case Errand.COMMAND:
                return command.obstacle(self._session, wanted.name)
            case Errand.FETCH:
                return fetch.obstacle(self._session, wanted)


def needed(session: Session) -> str:
    """Return the boot that this host itself wants to end, by its id, where it does."""
    is_needed = session.host.real(Layout.reboot_required).exists()
    return kernel.boot_id(session.host.proc) if is_needed else ""


def commands(session: Session, wanted: Asked) -> Iterator[tuple[str, ...]]:
    """Return what this host is to run, one after the other."""
    match wanted.errand:
        case Errand.RELEASE:
            return release.commands(session, wanted.name)
        case Errand.COMMAND:
            return command.commands(wanted.name)
        case Errand.FETCH:
            return fetch.commands(session, wanted)
