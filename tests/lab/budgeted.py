"""A Deployment of four pods of which a disruption budget keeps three, and how many are ready."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tests.lab.cluster import get, is_ready, kubectl

from kubeception.errors import KubeceptionError
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
    seen, ended = list[int](), threading.Event()

    def look() -> None:
        while not ended.wait(_EVERY_S):
            with suppress(KubeceptionError):  # who asks has a limit of its own
                seen.append(ready(cp1))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
