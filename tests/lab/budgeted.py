"""A Deployment of four pods of which a disruption budget keeps three, and how many are ready."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.lab.cluster import again_and_again, get, is_ready, kubectl

from kubeception.lab import Host

REPLICAS, FEWEST = 4, 3
_LABELS = {"app": "web"}
_EVERY_S = 0.5


def make(cp1: Host, image: str) -> None:
    """Make both, spread over the nodes, and wait until all pods are ready."""
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": _LABELS},
    }
    pod = {
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "web", "image": image}],
        "topologySpreadConstraints": [spread],
    }
    metadata = {"name": "web", "namespace": "default"}
    selector = {"matchLabels": _LABELS}
    deployment: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": REPLICAS,
            "selector": selector,
            "template": {"metadata": {"labels": _LABELS}, "spec": pod},
        },
    }
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata,
        "spec": {"minAvailable": FEWEST, "selector": selector},
    }
    for wanted in (deployment, budget):
        kubectl(cp1, "apply", "-f", "-", stdin=json.dumps(wanted))
    kubectl(cp1, "rollout", "status", "deployment/web", "--timeout=90s")


def ready(cp1: Host) -> int:
    """Return how many of its pods are ready, and stay."""
    found = get(cp1, "pods", "-l", "app=web")["items"]
    return sum(is_ready(one) for one in found if "deletionTimestamp" not in one["metadata"])


@contextmanager
def watched(cp1: Host) -> Iterator[list[int]]:
    """Look all the time, for a block; give what was seen."""
    seen = list[int]()
    with again_and_again(lambda: seen.append(ready(cp1)), every_s=_EVERY_S):
        yield seen
