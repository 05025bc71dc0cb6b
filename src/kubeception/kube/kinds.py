"""The kinds of object that kubeception reads or writes, and where the API keeps them."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True)
class Kind:
    """A kind's place in the API."""

    group: str
    version: str
    plural: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """What an object of this kind says in its `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, *steps: str) -> str:
        """Return the path of all of them, of a namespace's, or of one and a part of it."""
        within = ("namespaces", namespace) if namespace else ()
        root = "apis" if self.group else "api"
        return "/".join(map(quote, (f"/{root}", self.api_version, *within, self.plural, *steps)))


ADMISSION = "admissionregistration.k8s.io"
FLOWCONTROL = "flowcontrol.apiserver.k8s.io"
RBAC = "rbac.authorization.k8s.io"

KINDS = {
    "Namespace": Kind("", "v1", "namespaces", namespaced=False),
    "Node": Kind("", "v1", "nodes", namespaced=False),
    "Pod": Kind("", "v1", "pods", namespaced=True),
    "ConfigMap": Kind("", "v1", "configmaps", namespaced=True),
    "Service": Kind("", "v1", "services", namespaced=True),
    "ServiceAccount": Kind("", "v1", "serviceaccounts", namespaced=True),
    "Endpoints": Kind("", "v1", "endpoints", namespaced=True),
    "EndpointSlice": Kind("discovery.k8s.io", "v1", "endpointslices", namespaced=True),
    "DaemonSet": Kind("apps", "v1", "daemonsets", namespaced=True),
    "ReplicaSet": Kind("apps", "v1", "replicasets", namespaced=True),
    "Deployment": Kind("apps", "v1", "deployments", namespaced=True),
    "PodDisruptionBudget": Kind("policy", "v1", "poddisruptionbudgets", namespaced=True),
    "ControllerRevision": Kind("apps", "v1", "controllerrevisions", namespaced=True),
    "Event": Kind("", "v1", "events", namespaced=True),
    "Lease": Kind("coordination.k8s.io", "v1", "leases", namespaced=True),
    "CertificateSigningRequest": Kind(
        "certificates.k8s.io", "v1", "certificatesigningrequests", namespaced=False
    ),
    "MutatingWebhookConfiguration": Kind(
        ADMISSION, "v1", "mutatingwebhookconfigurations", namespaced=False
    ),
    "ValidatingWebhookConfiguration": Kind(
        ADMISSION, "v1", "validatingwebhookconfigurations", namespaced=False
    ),
    "APIService": Kind("apiregistration.k8s.io", "v1", "apiservices", namespaced=False),
    "CustomResourceDefinition": Kind(
        "apiextensions.k8s.io", "v1", "customresourcedefinitions", namespaced=False
    ),
    "ClusterUpgrade": Kind("kubeception.dev", "v1alpha1", "clusterupgrades", namespaced=False),
    "ResourceQuota": Kind("", "v1", "resourcequotas", namespaced=True),
    "PriorityLevelConfiguration": Kind(
        FLOWCONTROL, "v1", "prioritylevelconfigurations", namespaced=False
    ),
    "FlowSchema": Kind(FLOWCONTROL, "v1", "flowschemas", namespaced=False),
    "ValidatingAdmissionPolicy": Kind(
        ADMISSION, "v1", "validatingadmissionpolicies", namespaced=False
    ),
    "ValidatingAdmissionPolicyBinding": Kind(
        ADMISSION, "v1", "validatingadmissionpolicybindings", namespaced=False
    ),
    "ClusterRole": Kind(RBAC, "v1", "clusterroles", namespaced=False),
    "ClusterRoleBinding": Kind(RBAC, "v1", "clusterrolebindings", namespaced=False),
    "Role": Kind(RBAC, "v1", "roles", namespaced=True),
    "RoleBinding": Kind(RBAC, "v1", "rolebindings", namespaced=True),
}


def kind_of(wanted: dict[str, Any]) -> str:
    """Return an object's kind."""
    kind: str = wanted["kind"]
    return kind


def identity(wanted: dict[str, Any]) -> str:
    """Return e.g. `DaemonSet kube-system/kube-apiserver`, as messages name an object."""
    metadata = wanted["metadata"]
    namespace = metadata.get("namespace")
    name = f"{namespace}/{metadata['name']}" if namespace else metadata["name"]
    return f"{wanted['kind']} {name}"
