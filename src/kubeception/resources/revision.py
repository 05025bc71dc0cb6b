"""The hosted API server at one revision, whatever its DaemonSet says by now."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from kubeception import timestamp
from kubeception.errors import ApiError
from kubeception.kept import revisions
from kubeception.kept.revisions import Broken
from kubeception.kube.client import CHANGED_MEANWHILE, KEEPER, OURS, Object
from kubeception.render import apiserver, revision
from kubeception.render.objects import NAMESPACE
from kubeception.session import Session

_OWNERS = "/metadata/managedFields"


@dataclass(frozen=True)
class Revision:
    """The DaemonSet is wanted with this pod template, written in the name of whose edit it is.

    `instead_of` says what is wrong with the revision that it has; that is remembered, here and on
    the DaemonSet. Only the revision `over` is written over, where one is named: who has edited it
    meanwhile keeps that.
    """

    template: Mapping[str, Any] = field(repr=False)
    manager: str
    instead_of: str | None = None
    over: str = ""

    def __str__(self) -> str:
        return f"revision of DaemonSet {NAMESPACE}/{apiserver.NAME}"

    def drift(self, session: Session) -> str | None:
        """Say whether it has another one; a DaemonSet that is gone has none to be put back."""
        found = daemonset(session)
        if found is None or _plain(found["spec"]["template"]) == _plain(self.template):
            return None
        return "is another one"

    def apply(self, session: Session) -> None:
        """Write the template, over whatever is there."""
        while found := daemonset(session):
            if self.over and revision.identity(found["spec"]["template"]) != self.over:
                return
            written: dict[str, Any] = {"/spec/template": dict(self.template)}
            try:
                if self.instead_of:
                    broke = self._remember(session, found["spec"]["template"], self.instead_of)
                    found = told(session, found, apiserver.REFUSED_NOTE, revisions.note(broke))
                    written[_OWNERS] = list(_disowned(found, keeping={*OURS, self.manager}))
                session.api.set_fields(found, written, manager=self.manager)
            except ApiError as error:
                # A controller counts in its status meanwhile.
                if error.status not in CHANGED_MEANWHILE:
                    raise
                if daemonset(session) == found:
                    raise
                continue
            return

    def _remember(self, session: Session, broken: Object, why: str) -> Broken:
        settings, since = _settings_of(broken), timestamp.text(session.host.clock.now())
        if settings == _settings_of(self.template):
            settings = ""  # then it was somebody's edit
        broke = Broken(revision.identity(broken), why, since, settings)
        revisions.put_back(session.layout.revisions, broke)
        return broke


def told(session: Session, found: Object, note: str, words: str) -> Object:
    """Have a DaemonSet that was read tell something to other hosts, by an annotation of ours."""
    notes = found["metadata"].get("annotations", {})
    if notes.get(note) == words:
        return found
    written = {"/metadata/annotations": {**notes, note: words}}
    return session.api.set_fields(found, written, manager=KEEPER)


def daemonset(session: Session) -> Object | None:
    """Return the hosted API server's DaemonSet."""
    return session.api.get("DaemonSet", apiserver.NAME, namespace=NAMESPACE)


def editor(found: Object) -> str:
    """Return the field manager that edited a pod template last, the keeper where nobody did.

    Whoever writes a further change in that name leaves the edit to whom it belongs.
    """
    edits = sorted(_edits(found), key=lambda entry: str(entry.get("time", "")))
    return str(edits[-1]["manager"]) if edits else KEEPER


def _edits(found: Object) -> Iterator[Object]:
    for entry in found["metadata"].get("managedFields", []):
        touched = entry.get("fieldsV1", {}).get("f:spec", {})
        if "f:template" in touched and entry.get("manager") not in OURS:
            yield entry


def _disowned(found: Object, *, keeping: Set[str]) -> Iterator[Object]:
    """Yield who owns what, with the template left to some managers only.

    An edit that was put back is over: also the fields where both revisions agree, such as the
    port, are its manager's no longer, or our next settings would conflict with it.
    """
    for entry in found["metadata"].get("managedFields", []):
        fields = entry.get("fieldsV1", {})
        if entry.get("manager") in keeping or "f:template" not in fields.get("f:spec", {}):
            yield entry
        else:
            spec = {key: value for key, value in fields["f:spec"].items() if key != "f:template"}
            yield {**entry, "fieldsV1": {**fields, "f:spec": spec}}


def _settings_of(template: Mapping[str, Any]) -> str:
    """Return the digest of the settings that we rendered into a template."""
    found: str = template["metadata"].get("annotations", {}).get(apiserver.TEMPLATE_NOTE, "")
    return found


def _plain(template: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {k: v for k, v in template["metadata"].items() if k != "creationTimestamp"}
    return {**template, "metadata": metadata}
