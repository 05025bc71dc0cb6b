"""kubeception inside the cluster: the service on which joining hosts knock."""

from collections.abc import Iterator
from pathlib import Path

from kubeception.config import Config
from kubeception.facts import Facts
from kubeception.render import objects

NAME = "kubeception"
LABELS = {"k8s-app": NAME}
PORT = 8443


def everything(config: Config, facts: Facts) -> Iterator[objects.Object]:
    """Yield its account, which may do nothing, its Deployment and its NodePort."""
    yield objects.service_account(NAME)
    yield {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": objects.metadata(NAME, labels=LABELS),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": LABELS},
            "template": {
                "metadata": {"labels": {**objects.MANAGED_BY, **LABELS}},
                "spec": _pod_spec(config, facts),
            },
        },
    }
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": objects.metadata(NAME, labels=LABELS),
        "spec": {
            "type": "NodePort",
            "selector": LABELS,
            "ports": [
                {
                    "name": "join",
                    "port": PORT,
                    "protocol": "TCP",
                    "targetPort": PORT,
                    "nodePort": config.join_port,
                }
            ],
        },
    }


def _pod_spec(config: Config, facts: Facts) -> objects.Object:
    pair = config.layout.pki.join
    # Each file by itself: the folder around it holds the cluster's CA keys.
    paths: dict[str, tuple[Path, str]] = {
        "certificate": (pair.certificate, "File"),
        "key": (pair.key, "File"),
    }
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "priorityClassName": objects.CLUSTER_CRITICAL,
        "serviceAccountName": NAME,
        "nodeSelector": {objects.CONTROL_PLANE: ""},
        "tolerations": objects.TOLERATE_CONTROL_PLANE,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "terminationGracePeriodSeconds": 5,
        "containers": [
            {
                "name": NAME,
                "image": config.kubeception.image or facts.images[NAME],
                "imagePullPolicy": "IfNotPresent",
                "args": [
                    "serve",
                    f"--certificate={pair.certificate}",
                    f"--key={pair.key}",
                    f"--port={PORT}",
                ],
                "resources": {"requests": {"cpu": "10m", "memory": "40Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                },
                "readinessProbe": {
                    "httpGet": {"path": "/healthz", "port": PORT, "scheme": "HTTPS"},
                    "periodSeconds": 1,
                    "timeoutSeconds": 5,
                },
                "volumeMounts": objects.mounts(paths),
            }
        ],
        "volumes": objects.volumes(paths),
    }
