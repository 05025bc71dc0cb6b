"""A role or a binding of ours, which is to give what we want, whatever somebody has made of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from kubeception.resources.object import Object
from kubeception.session import Session

KINDS = frozenset({"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"})
_EVERYTHING = "*"


@dataclass(frozen=True)
class Right(Object):
    """One by which somebody gives more is kept as it is; one that gives less is ours again.

    The cluster lives by them, and whoever lost one may be the administrator who would see to it.
    """

    def diff(self, session: Session) -> tuple[str, ...]:
        """Return how it would change, as JSON; nothing of one that is to be made anew."""
        found = self._found(session)
        if found and self._leads_elsewhere(found):
            return ()
        is_lost = found is not None and self._loss(found) is not None
        return Object(self.wanted, force=is_lost or self.force).diff(session)

    def apply(self, session: Session) -> None:
        """Apply it; to which role a binding leads is said once for all."""
        found = self._found(session)
        if found and self._leads_elsewhere(found):
            about = self.wanted["metadata"]
            kind, namespace = self.wanted["kind"], about.get("namespace")
            session.api.delete(kind, about["name"], namespace=namespace)
        is_lost = found is not None and self._loss(found) is not None
        Object(self.wanted, force=is_lost or self.force).apply(session)

    def _loss(self, found: dict[str, Any]) -> str | None:
        """Say what of it somebody has taken away."""
        if self._leads_elsewhere(found):
            return f"leads to {found['roleRef']['kind']} {found['roleRef']['name']}"
        subjects = list(map(_said, found.get("subjects") or ()))
        for one in self.wanted.get("subjects", ()):
            if _said(one) not in subjects:
                return f"is not for {one['kind']} {one['name']}"
        rules = found.get("rules") or ()
        for verb, resource in _lacking(self.wanted.get("rules", ()), rules):
            return f"lets nobody {verb} {resource}"
        return None

    def _leads_elsewhere(self, found: Mapping[str, Any]) -> bool:
        wanted = self.wanted.get("roleRef")
        return wanted is not None and found["roleRef"] != wanted


def _said(subject: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in subject.items() if value}


def _lacking(
    wanted: Sequence[Mapping[str, Any]], rules: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Yield each verb and resource that no rule lets anybody have."""
    for one in wanted:
        names = one.get("resourceNames") or (None,)
        for group, resource, verb, name in product(
            one["apiGroups"], one["resources"], one["verbs"], names
        ):
            if not any(_gives(rule, group, resource, verb, name) for rule in rules):
                yield verb, resource


def _gives(rule: Mapping[str, Any], group: str, resource: str, verb: str, name: str | None) -> bool:
    asked = {"apiGroups": group, "resources": resource, "verbs": verb}
    names = rule.get("resourceNames")
    return all(
        one in said or _EVERYTHING in said
        for key, one in asked.items()
        for said in [rule.get(key) or ()]
    ) and (not names or name in names)
