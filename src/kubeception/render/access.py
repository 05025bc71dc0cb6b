"""Who may do what: the bindings that the control plane itself needs."""

from collections.abc import Iterator

from kubeception.pki.catalog import ADMINS
from kubeception.pki.request import NODES
from kubeception.render import objects


def bindings() -> Iterator[objects.Object]:
    """Yield the administrators' binding, the API servers' right to ask kubelets, and the kubelets'.

    A kubelet's request for its own client certificate anew, and for no other's, is approved by the
    controller-manager itself.
    """
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
    yield objects.cluster_role_binding(
        "kubeadm:node-autoapprove-certificate-rotation",
        role="system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        subject={"apiGroup": objects.RBAC, "kind": "Group", "name": NODES},
    )
