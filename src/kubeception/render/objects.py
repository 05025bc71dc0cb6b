"""The pieces that Kubernetes objects are built from."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from kubeception import timestamp
from kubeception.endpoints import API_PORT, Address

Object = dict[str, Any]

NAMESPACE = "kube-system"
RBAC = "rbac.authorization.k8s.io"
MANAGED_BY = {"app.kubernetes.io/managed-by": "kubeception"}
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
HOSTNAME = "kubernetes.io/hostname"
TOLERATE_EVERYTHING: list[Object] = [{"operator": "Exists"}]
TOLERATE_CONTROL_PLANE: list[Object] = [{"key": CONTROL_PLANE, "effect": "NoSchedule"}]
TOLERATE_CORDON: Object = {
    "key": "node.kubernetes.io/unschedulable",
    "operator": "Exists",
    "effect": "NoSchedule",
}
_EVENT_WIDTH = 1024  # the API takes no more
NODE_CRITICAL = "system-node-critical"
CLUSTER_CRITICAL = "system-cluster-critical"
# A digest of the settings that a pod mounts, so that it is replaced when they change.
# So long a pod that has no probe has to run until the one before it may go. One that ends at its
# start counts as ready for moments, and would take the place of all that serve.
STEADY_S = 5
SETTINGS_NOTE = "kubeception.dev/settings"

# Of a container that may do nothing to its host, whoever it runs as.
CONFINED: Object = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}

NODE_NAME: Object = {
    "name": "NODE_NAME",
    "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}},
}
HOST_IP: Object = {
    "name": "HOST_IP",
    "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.hostIP"}},
}


def metadata(
    name: str, *, namespace: str | None = NAMESPACE, labels: Mapping[str, str] | None = None
) -> Object:
    """Return an object's metadata, with the label by which our objects are known."""
    made: Object = {"name": name, "labels": {**MANAGED_BY, **(labels or {})}}
    return {**made, "namespace": namespace} if namespace else made


def flags(values: Mapping[str, str]) -> list[str]:
    """Return a command line's flags, sorted so that the same flags are the same text."""
    return [f"--{name}={value}" for name, value in sorted(values.items())]


def volumes(paths: Mapping[str, tuple[Path, str]]) -> list[Object]:
    """Return hostPath volumes: name → (path on the host, type)."""
    return [
        {"name": name, "hostPath": {"path": str(path), "type": kind}}
        for name, (path, kind) in sorted(paths.items())
    ]


def mounts(paths: Mapping[str, tuple[Path, str]], *, writable: Sequence[str] = ()) -> list[Object]:
    """Return mounts of hostPath volumes, each at its path, which is the host's or stands for it."""
    return [
        {"name": name, "mountPath": str(path), "readOnly": name not in writable}
        for name, (path, _) in sorted(paths.items())
    ]


def only_on(nodes: Iterable[str]) -> Object:
    """Return the affinity that binds pods to nodes by their names.

    Unlike a label, which nodes have by the word of whoever may write Nodes, a name is proven.
    """
    terms = [
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
        for node in sorted(nodes)
    ]
    required = {"nodeSelectorTerms": terms}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}


def probe(path: str, port: int, *, scheme: str = "HTTPS", **timing: int) -> Object:
    """Return an HTTP probe against loopback."""
    return {
        "httpGet": {"host": "127.0.0.1", "path": path, "port": port, "scheme": scheme},
        **timing,
    }


def connection_probe(port: int) -> Object:
    """Return a probe against loopback that asks nothing, but that somebody takes connections."""
    return {"tcpSocket": {"host": "127.0.0.1", "port": port}}


def static_pod(name: str, labels: Mapping[str, str], spec: Object) -> Object:
    """Return a pod for the kubelet's manifest folder; it may name no API object."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(name, labels=labels),
        "spec": spec,
    }


def node_daemonset(name: str, labels: Mapping[str, str], spec: Object, *, settings: Any) -> Object:
    """Return a pod for every node, replaced when the settings that it mounts change."""
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": metadata(name, labels=labels),
        "spec": {
            "selector": {"matchLabels": dict(labels)},
            "updateStrategy": {"type": "RollingUpdate"},
            "template": {
                "metadata": {
                    "labels": {**MANAGED_BY, **labels},
                    "annotations": {SETTINGS_NOTE: digest(settings)},
                },
                "spec": spec,
            },
        },
    }


def api_by_the_door(address: Address) -> list[Object]:
    """Return how node programs find the API: at the door, with no Service and no network plugin.

    By the control-plane host's own address, which leads through its door from itself, too.
    """
    return [
        {"name": "KUBERNETES_SERVICE_HOST", "value": str(address)},
        {"name": "KUBERNETES_SERVICE_PORT", "value": str(API_PORT)},
    ]


def service_account(name: str) -> Object:
    """Return a ServiceAccount in kube-system."""
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(name)}


def rule(group: str, resources: str, *verbs: str, names: Sequence[str] = ()) -> Object:
    """Return one rule of a role, for some resources of a group; `names` limits it to those."""
    made: Object = {"apiGroups": [group], "resources": resources.split(), "verbs": list(verbs)}
    return {**made, "resourceNames": list(names)} if names else made


def role(name: str, rules: Sequence[Object], *, namespace: str = NAMESPACE) -> Object:
    """Return a Role."""
    return _role("Role", metadata(name, namespace=namespace), rules)


def cluster_role(name: str, rules: Sequence[Object]) -> Object:
    """Return a ClusterRole."""
    return _role("ClusterRole", metadata(name, namespace=None), rules)


def role_binding(name: str, *, role: str, subject: Object, namespace: str = NAMESPACE) -> Object:
    """Return a binding of a Role to one subject."""
    return _binding("Role", metadata(name, namespace=namespace), role, subject)


def cluster_role_binding(name: str, *, role: str, subject: Object) -> Object:
    """Return a binding of a ClusterRole to one subject."""
    return _binding("ClusterRole", metadata(name, namespace=None), role, subject)


def _role(kind: str, about: Object, rules: Sequence[Object]) -> Object:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": about,
        "rules": list(rules),
    }


def _binding(kind: str, about: Object, role: str, subject: Object) -> Object:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": f"{kind}Binding",
        "metadata": about,
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
        "subjects": [subject],
    }


def account(name: str) -> Object:
    """Return a ServiceAccount of kube-system as the subject of a binding."""
    return {"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}


def user_of(account: str) -> str:
    """Return the name by which the API knows a ServiceAccount of kube-system."""
    return f"system:serviceaccount:{NAMESPACE}:{account}"


def disruption_budget(name: str, labels: Mapping[str, str]) -> Object:
    """Return a budget that keeps one pod when nodes are drained."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(name, labels=labels),
        "spec": {"minAvailable": 1, "selector": {"matchLabels": dict(labels)}},
    }


def event(
    about: Object,
    reason: str,
    message: str,
    *,
    by: Mapping[str, str],
    at: datetime,
    kind: str = "Warning",
    **name: str,
) -> Object:
    """Return an event about an object, in the object's namespace.

    `by` is its source (core/v1), `name` its `name` or its `generateName`. What is in no namespace
    has its events in `default`.
    """
    metadata = about["metadata"]
    when = timestamp.text(at)
    known = ("name", "namespace", "uid")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {**name, "namespace": metadata.get("namespace", "default")},
        "involvedObject": {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            **{key: metadata[key] for key in known if key in metadata},
        },
        "reason": reason,
        "message": message[:_EVENT_WIDTH],
        "type": kind,
        "count": 1,
        "firstTimestamp": when,
        "lastTimestamp": when,
        "source": dict(by),
    }


def digest(value: Any) -> str:
    """Return a short digest of data, the same for the same data."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def document(value: Object) -> str:
    """Return an object as a file's text; JSON is YAML that cannot be misread."""
    return json.dumps(value, indent=2, sort_keys=True) + "\n"
