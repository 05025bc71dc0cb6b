"""kubeception inside the cluster: the controller that approves kubelets' certificates.

An account of its own: what parses bytes from the network can approve nothing.
"""

from collections.abc import Iterator
from pathlib import Path

from kubeception.config import Config
from kubeception.facts import Facts
from kubeception.pki.token import Role
from kubeception.render import join_records, join_service, objects
from kubeception.render.join_records import NodeRecord

NAME = "kubeception-controller"
LABELS = {"k8s-app": NAME}
LEASE = NAME
_CERTIFICATES = "certificates.k8s.io"
_SIGNERS = ("kubernetes.io/kube-apiserver-client-kubelet", "kubernetes.io/kubelet-serving")
_CLUSTER_RIGHTS = (
    objects.rule("", "nodes", "list"),
    objects.rule(_CERTIFICATES, "certificatesigningrequests", "get", "list", "watch"),
    objects.rule(_CERTIFICATES, "certificatesigningrequests/approval", "update"),
    objects.rule(_CERTIFICATES, "signers", "approve", names=_SIGNERS),
)
_RIGHTS = {
    objects.NAMESPACE: (
        objects.rule("coordination.k8s.io", "leases", "get", "patch", names=[LEASE]),
    ),
    # Events about objects that are in no namespace lie here.
    "default": (objects.rule("", "events", "create"),),
    join_records.RECORDS: (objects.rule("", "configmaps", "get", "list", "create", "patch"),),
    join_records.CLAIMS: (objects.rule("", "configmaps", "list"),),
}


def everything(config: Config, facts: Facts) -> Iterator[objects.Object]:
    """Yield its account and what that may do, its Lease, and its Deployment."""
    yield from account()
    yield {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": objects.metadata(LEASE),
    }
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
    # So that nobody joins by this host's name, not even while its Node object is gone.
    own = NodeRecord(facts.node, "", Role.CONTROL_PLANE, (facts.address,))
    yield join_records.from_node(own)


def account() -> Iterator[objects.Object]:
    """Yield its account, which approves what two signers sign and reads no Secret."""
    yield objects.service_account(NAME)
    subject = objects.account(NAME)
    for namespace, rules in _RIGHTS.items():
        yield objects.role(NAME, rules, namespace=namespace)
        yield objects.role_binding(NAME, role=NAME, subject=subject, namespace=namespace)
    yield objects.cluster_role(NAME, _CLUSTER_RIGHTS)
    yield objects.cluster_role_binding(NAME, role=NAME, subject=subject)


def arguments(config: Config, facts: Facts, *, ca: Path) -> list[str]:
    """Return what it is told on its command line."""
    return [
        "controller",
        f"--api=https://{facts.address}:{join_service.API_PORT}",
        f"--cluster-ca={ca}",
        f"--network={config.net.cluster_cidr}",
        f"--network={config.net.service_cluster_ip_range}",
    ]


def _pod_spec(config: Config, facts: Facts) -> objects.Object:
    ca = config.layout.pki.ca.certificate
    paths: dict[str, tuple[Path, str]] = {"ca": (ca, "File")}
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
                "image": config.kubeception.image or facts.images[join_service.NAME],
                "imagePullPolicy": "IfNotPresent",
                "args": arguments(config, facts, ca=ca),
                "resources": {"requests": {"cpu": "10m", "memory": "40Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                },
                "volumeMounts": [*objects.mounts(paths), join_service.TOKEN_MOUNT],
            }
        ],
        "volumes": [*objects.volumes(paths), join_service.TOKEN_VOLUME],
    }
