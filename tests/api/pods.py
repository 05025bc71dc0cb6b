"""Pods that run by a test's word, where there is no kubelet."""

from collections.abc import Mapping
from typing import Any

from kubeception.kube.client import Api


def running(
    api: Api,
    name: str,
    *,
    on: str,
    namespace: str,
    labels: Mapping[str, str],
    grace_s: int = 0,
    **metadata: Any,
) -> None:
    """Have a pod run on a node; without a kubelet one with no grace is gone at once."""
    api.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": labels, **metadata},
            "spec": {
                "nodeName": on,
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": grace_s,
                "containers": [{"name": "it", "image": "none"}],
            },
        }
    )
    said = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    api.merge("Pod", name, {"status": said}, namespace=namespace, status=True)
