"""kubeception inside the cluster: the service on which joining hosts knock."""

from collections.abc import Iterator
from pathlib import Path

from kubeception.config import Config
from kubeception.facts import Facts
from kubeception.render import join_records, objects

NAME = "kubeception"
LABELS = {"k8s-app": NAME}
PORT = 8443
API_PORT = 6443
_TOKEN_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path
_TOKEN_LIFETIME_S = 3600
_ROLE = "kubeception:join"
# It finds what it knows the name of, lists nothing, and changes nothing that is there.
_RIGHTS = {
    join_records.RECORDS: (objects.rule("", "configmaps", "get"),),
    join_records.CLAIMS: (
        objects.rule("", "configmaps", "get", "create"),
        objects.rule("", "events", "create"),
    ),
}
_CLUSTER_RIGHTS = (
    objects.rule("", "nodes", "get"),
    objects.rule("certificates.k8s.io", "certificatesigningrequests", "get", "create"),
)

# Of the API alone: its CA is mounted from the host, as it has to be there at a cold start.
_TOKEN: objects.Object = {
    "sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": _TOKEN_LIFETIME_S}}]
}
TOKEN_VOLUME: objects.Object = {"name": "token", "projected": _TOKEN}
TOKEN_MOUNT: objects.Object = {"name": "token", "mountPath": _TOKEN_FOLDER, "readOnly": True}


def everything(config: Config, facts: Facts) -> Iterator[objects.Object]:
    """Yield its account and what that may do, its Deployment and its NodePort."""
    yield from join_records.namespaces()
    yield from account()
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


def account() -> Iterator[objects.Object]:
    """Yield its account, which may ask for certificates, and spend tokens, but approve nothing."""
    yield objects.service_account(NAME)
    subject = objects.account(NAME)
    for namespace, rules in _RIGHTS.items():
        yield objects.role(_ROLE, rules, namespace=namespace)
        yield objects.role_binding(_ROLE, role=_ROLE, subject=subject, namespace=namespace)
    yield objects.cluster_role(_ROLE, _CLUSTER_RIGHTS)
    yield objects.cluster_role_binding(_ROLE, role=_ROLE, subject=subject)


def _pod_spec(config: Config, facts: Facts) -> objects.Object:
    pki = config.layout.pki
    pair = pki.join
    # Each file by itself: the folder around it holds the cluster's CA keys.
    paths: dict[str, tuple[Path, str]] = {
        "certificate": (pair.certificate, "File"),
        "key": (pair.key, "File"),
        "join-ca": (pki.join_ca.certificate, "File"),
        "ca": (pki.ca.certificate, "File"),
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
                    f"--ca={pki.join_ca.certificate}",
                    f"--port={PORT}",
                    f"--api=https://{facts.address}:{API_PORT}",
                    f"--cluster-ca={pki.ca.certificate}",
                    f"--cluster-dns={config.net.dns_ip}",
                    f"--cluster-domain={config.net.cluster_domain}",
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
                "volumeMounts": [*objects.mounts(paths), TOKEN_MOUNT],
            }
        ],
        "volumes": [*objects.volumes(paths), TOKEN_VOLUME],
    }
