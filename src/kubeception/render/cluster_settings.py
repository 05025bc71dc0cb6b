"""The ConfigMap of the cluster's settings, and who else may read it."""

from collections.abc import Iterator
from typing import Any

from kubeception.config import cluster
from kubeception.config.cluster import ClusterSettings
from kubeception.pki.request import NODES
from kubeception.render import objects

NAME = "kubeception-cluster"
_ENTRY = "settings.json"
_ROLE = "kubeception:cluster-settings"


def config_map(settings: ClusterSettings) -> objects.Object:
    """Return the ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": objects.metadata(NAME),
        "data": {_ENTRY: cluster.text(settings)},
    }


def of(found: objects.Object) -> ClusterSettings:
    """Read the ConfigMap.

    Raises:
        ValueError: it has no settings that this version knows.
    """
    data: dict[str, Any] = found.get("data") or {}
    if _ENTRY not in data:
        raise ValueError(f"has no {_ENTRY}")
    return cluster.parse(data[_ENTRY])


def readers() -> Iterator[objects.Object]:
    """Yield the nodes' right to read it, and nothing else."""
    nodes = {"apiGroup": objects.RBAC, "kind": "Group", "name": NODES}
    yield objects.role(_ROLE, [objects.rule("", "configmaps", "get", names=[NAME])])
    yield objects.role_binding(_ROLE, role=_ROLE, subject=nodes)
