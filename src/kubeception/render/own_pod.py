"""A pod of kubeception's own in the cluster: what the join service and the controller share.

It runs on the control plane's hosts alone, by their names, as a user of no name, and may nothing on
its host. It asks the API with its account's token, and trusts a CA that comes from its host, as
that has to be there at a cold start.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from kubeception.config.cluster import ClusterSettings
from kubeception.endpoints import SERVICE_PORT, url
from kubeception.facts import ClusterFacts
from kubeception.render import objects, pod_folder
from kubeception.render.pod_folder import PodFolder

COMPONENT = "kubeception"
_TOKEN_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path
_TOKEN_LIFETIME_S = 3600
_TOKEN: objects.Object = {
    "sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": _TOKEN_LIFETIME_S}}]
}


def api(settings: ClusterSettings) -> str:
    """Return where it finds the API: the Service address, which the door of its host serves."""
    return url(settings.net.apiserver_ip, SERVICE_PORT)


def reserved(settings: ClusterSettings) -> list[str]:
    """Return the arguments that say what no host that joins may be called."""
    extra = (f"--reserved={name}" for name in sorted(settings.apiserver.extra_sans))
    return [f"--cluster-domain={settings.net.cluster_domain}", *extra]


def deployment(
    name: str,
    cluster: ClusterFacts,
    *,
    arguments: Sequence[str],
    folder: PodFolder,
    memory: str,
    more: Mapping[str, Any] | None = None,
) -> objects.Object:
    """Return the Deployment of one such pod, and of the account of the same name.

    `folder` is what it sees of its host, and whom it runs as; `memory` is all that it may take,
    `more` what else its container says.
    """
    settings, labels = cluster.settings, {"k8s-app": name}
    paths = pod_folder.volumes(folder)
    copies = {volume: (folder.copy(path), kind) for volume, (path, kind) in paths.items()}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": objects.metadata(name, labels=labels),
        "spec": {
            "replicas": 1,
            "minReadySeconds": objects.STEADY_S,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": {**objects.MANAGED_BY, **labels}},
                "spec": {
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "priorityClassName": objects.CLUSTER_CRITICAL,
                    "serviceAccountName": name,
                    "affinity": objects.only_on(cluster.control_planes),
                    # Where its host is emptied, it is the one who does it.
                    "tolerations": [*objects.TOLERATE_CONTROL_PLANE, objects.TOLERATE_CORDON],
                    "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
                    "terminationGracePeriodSeconds": 5,
                    "containers": [
                        {
                            "name": name,
                            "image": settings.kubeception.image
                            or settings.release.images[COMPONENT],
                            "imagePullPolicy": "IfNotPresent",
                            "args": list(arguments),
                            "resources": {
                                "requests": {"cpu": "10m", "memory": "40Mi"},
                                "limits": {"memory": memory},
                            },
                            "securityContext": {**objects.CONFINED, **folder.run_as},
                            "volumeMounts": [
                                *objects.mounts(paths),
                                {"name": "token", "mountPath": _TOKEN_FOLDER, "readOnly": True},
                            ],
                            **(more or {}),
                        }
                    ],
                    "volumes": [
                        *objects.volumes(copies),
                        {"name": "token", "projected": _TOKEN},
                    ],
                },
            },
        },
    }
