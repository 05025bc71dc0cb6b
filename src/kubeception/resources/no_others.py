"""Objects that an earlier version or other settings made, and that are wanted no more."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kubeception.kube.client import FIELD_MANAGER
from kubeception.kube.kinds import identity
from kubeception.render.cluster_settings import NAME as SETTINGS
from kubeception.render.join_records import KIND_LABEL
from kubeception.render.objects import MANAGED_BY
from kubeception.session import Session

# What bootstrap applies, whose pods go first. No namespace, for what is in it would go too; no
# endpoints, since controllers copy a Service's labels to theirs.
_KINDS = (
    *("DaemonSet", "Deployment", "PodDisruptionBudget", "Service", "ConfigMap", "Lease"),
    *("RoleBinding", "Role", "ClusterRoleBinding", "ClusterRole", "ServiceAccount"),
    *("ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy", "ResourceQuota"),
    *("FlowSchema", "PriorityLevelConfiguration", "CustomResourceDefinition"),
)


@dataclass(frozen=True)
class NoOthers:
    """Of all objects that bootstrap has applied, only the wanted ones are to be there."""

    wanted: frozenset[str] = field(repr=False)

    def __str__(self) -> str:
        return "objects that are wanted no more"

    def drift(self, session: Session) -> str | None:
        """Name them."""
        return ", ".join(identity(one) for one in self._others(session)) or None

    def apply(self, session: Session) -> None:
        """Delete them."""
        for one in self._others(session):
            about = one["metadata"]
            session.api.delete(one["kind"], about["name"], namespace=about.get("namespace"))

    def _others(self, session: Session) -> Iterator[dict[str, Any]]:
        for kind in _KINDS:
            for found in session.api.list(kind, labels=MANAGED_BY):
                one = {**found, "kind": kind}  # a list's items don't say it
                if _was_applied(one["metadata"]) and identity(one) not in self.wanted:
                    yield one


def _was_applied(about: dict[str, Any]) -> bool:
    """Tell whether an object is there because bootstrap applied it, and for nothing else."""
    is_ours = any(
        entry["manager"] == FIELD_MANAGER and entry["operation"] == "Apply"
        for entry in about.get("managedFields", [])
    )
    is_record = KIND_LABEL in about.get("labels", {}) or about["name"] == SETTINGS
    is_ending = "deletionTimestamp" in about
    return is_ours and not (is_record or is_ending or about.get("ownerReferences"))
