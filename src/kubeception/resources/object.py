"""A Kubernetes object, by server-side apply under one field manager.

Fields that we name are ours, all others are the user's. What somebody else has changed of ours is
shown and kept, unless the run is told to force it.
"""

import json
import logging
import re
from dataclasses import dataclass, field
from typing import Any, ClassVar

from kubeception.errors import ApiError
from kubeception.kube.client import OURS
from kubeception.kube.kinds import identity
from kubeception.resources import unified
from kubeception.session import Session

log = logging.getLogger(__name__)

# Annotations in which the API and its controllers count the revisions of a template.
_COUNTERS = ("deprecated.daemonset.template.generation", "deployment.kubernetes.io/revision")
# Whom the API names where an apply is refused.
_OWNERS = re.compile(r'conflicts? with "([^"]+)"')
_SERVERS_OWN = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp")


@dataclass(frozen=True)
class Object:
    """A wanted object, as the dict that is sent; `force` takes over what others own of it."""

    wanted: dict[str, Any] = field(repr=False)
    force: bool = False
    # An API server answers an apply with the object as it has stored it.
    is_confirmed: ClassVar[bool] = True

    def __str__(self) -> str:
        return identity(self.wanted)

    def drift(self, session: Session) -> str | None:
        """Say how the object would change if it were applied now (a dry run on the server)."""
        while True:
            found = self._found(session)
            if found is None:
                return "missing"
            if loss := self._loss(found):
                return loss
            try:
                applied = self._apply(session, dry_run=True)
            except ApiError as error:
                if error.status != 409:
                    raise
                log.warning("%s: kept as somebody else has it: %s", self, error.message)
                return None
            where = _difference(_comparable(found), _comparable(applied))
            if where is None:
                return None
            # A controller may have changed the object between the two answers.
            if _version(self._found(session)) == _version(found):
                return f"{where} differs"

    def diff(self, session: Session) -> tuple[str, ...]:
        """Return how it would change, as JSON; nothing of a Secret."""
        if self.wanted["kind"] == "Secret":
            return ()
        found = self._found(session)
        applied = self._apply(session, dry_run=True) if found else self.wanted
        return unified(str(self), _text(found) if found else "", _text(applied))

    def apply(self, session: Session) -> None:
        """Apply it."""
        self._apply(session)

    def _loss(self, _found: dict[str, Any]) -> str | None:
        """Say what somebody has made of it that is not kept; of most objects all is."""
        return None

    def _found(self, session: Session) -> dict[str, Any] | None:
        metadata = self.wanted["metadata"]
        return session.api.get(
            self.wanted["kind"], metadata["name"], namespace=metadata.get("namespace")
        )

    def _apply(self, session: Session, *, dry_run: bool = False) -> dict[str, Any]:
        force = self.force or session.force_conflicts
        try:
            return session.api.apply(self.wanted, force=force, dry_run=dry_run)
        except ApiError as error:
            # What the keeper has put back is ours to change, and so is what we have created.
            owners = set(_OWNERS.findall(error.message))
            if error.status != 409 or not owners or owners - OURS:
                raise
        return session.api.apply(self.wanted, force=True, dry_run=dry_run)


def _version(found: dict[str, Any] | None) -> str | None:
    return found["metadata"]["resourceVersion"] if found else None


def _comparable(found: dict[str, Any]) -> dict[str, Any]:
    metadata = {k: v for k, v in found["metadata"].items() if k not in _SERVERS_OWN}
    notes = metadata.get("annotations", {})
    metadata["annotations"] = {k: v for k, v in notes.items() if k not in _COUNTERS}
    return {**{k: v for k, v in found.items() if k != "status"}, "metadata": metadata}


def _text(found: dict[str, Any]) -> str:
    return json.dumps(_comparable(found), indent=2, sort_keys=True)


def _difference(left: Any, right: Any, at: str = "") -> str | None:
    """Return the path of the first field that differs, or None."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted({*left, *right}):
            if key not in left or key not in right:
                return f"{at}.{key}"
            if where := _difference(left[key], right[key], f"{at}.{key}"):
                return where
        return None
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for index, (one, other) in enumerate(zip(left, right, strict=True)):
            if where := _difference(one, other, f"{at}[{index}]"):
                return where
        return None
    return None if left == right else at
