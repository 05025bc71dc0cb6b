"""Who may do what: the bindings that the control plane itself needs."""

from collections.abc import Iterator

from kubeception.pki.catalog import ADMINS
from kubeception.render import objects


def bindings() -> Iterator[objects.Object]:
    """Yield the administrators' binding, and the API servers' right to ask kubelets."""
    yield objects.cluster_role_binding(
        ADMINS,
        role="cluster-admin",
        subject={"apiGroup": objects.RBAC, "kind": "Group", "name": ADMINS},
    )
    user = "kube-apiserver-kubelet-client"
    yield objects.cluster_role_binding(
        f"kubeadm:{user}",
        role="system:kubelet-api-admin",
        subject={"apiGroup": objects.RBAC, "kind": "User", "name": user},
    )
