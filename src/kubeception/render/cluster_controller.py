"""kubeception inside the cluster: the controller of kubelets' certificates and of reboots.

An account of its own: what parses bytes from the network can approve nothing.
"""

from collections.abc import Iterator
from pathlib import Path

from kubeception.config.cluster import ClusterSettings
from kubeception.facts import ClusterFacts
from kubeception.pki.request import SIGNERS
from kubeception.render import cluster_upgrade, join_records, objects, own_pod, pod_folder
from kubeception.render.pod_folder import PodFolder

NAME = "kubeception-controller"
LEASE = NAME
# 45 MiB, and some 80 KiB for each Node of a list: enough for twice as many as Kubernetes supports.
_MEMORY = "1Gi"
_CERTIFICATES = "certificates.k8s.io"
_CLUSTER_RIGHTS = (
    objects.rule("", "services", "list"),
    # A policy holds it to cordoning and to its own annotations, where it changes one.
    objects.rule("", "nodes", "get", "list", "patch"),
    objects.rule("", "pods", "list", "delete"),
    objects.rule("", "pods/eviction", "create"),
    objects.rule(cluster_upgrade.GROUP, cluster_upgrade.PLURAL, "list", "create", "delete"),
    objects.rule(cluster_upgrade.GROUP, f"{cluster_upgrade.PLURAL}/status", "patch"),
    # A policy holds it to those that the join service made, where it deletes.
    objects.rule(_CERTIFICATES, "certificatesigningrequests", "get", "list", "watch", "delete"),
    objects.rule(_CERTIFICATES, "certificatesigningrequests/approval", "update"),
    objects.rule(_CERTIFICATES, "signers", "approve", names=SIGNERS),
)
_RIGHTS = {
    objects.NAMESPACE: (
        objects.rule("coordination.k8s.io", "leases", "get", "patch", names=[LEASE]),
    ),
    # Events about objects that are in no namespace lie here.
    "default": (objects.rule("", "events", "create"),),
    join_records.RECORDS: (
        objects.rule("", "configmaps", "get", "list", "create", "patch", "delete"),
    ),
    join_records.CLAIMS: (objects.rule("", "configmaps", "list", "delete"),),
}


def everything(cluster: ClusterFacts) -> Iterator[objects.Object]:
    """Yield its account and what that may do, its Lease, and its Deployment."""
    settings = cluster.settings
    yield from account()
    yield {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": objects.metadata(LEASE),
    }
    ca = settings.layout.pki.ca.certificate
    arguments = arguments_of(settings, ca=ca)
    yield own_pod.deployment(
        NAME, cluster, arguments=arguments, folder=folder(settings), memory=_MEMORY
    )


def folder(settings: ClusterSettings) -> PodFolder:
    """Return what it gets copies of: a CA's certificate."""
    files = {settings.layout.pki.ca.certificate}
    return pod_folder.of(NAME, settings, files, user=pod_folder.CONTROLLER_USER)


def account() -> Iterator[objects.Object]:
    """Yield its account, which approves what two signers sign and reads no Secret."""
    yield objects.service_account(NAME)
    subject = objects.account(NAME)
    for namespace, rules in _RIGHTS.items():
        yield objects.role(NAME, rules, namespace=namespace)
        yield objects.role_binding(NAME, role=NAME, subject=subject, namespace=namespace)
    yield objects.cluster_role(NAME, _CLUSTER_RIGHTS)
    yield objects.cluster_role_binding(NAME, role=NAME, subject=subject)


def arguments_of(settings: ClusterSettings, *, ca: Path) -> list[str]:
    """Return what it is told on its command line."""
    return [
        "controller",
        f"--api={own_pod.api(settings)}",
        f"--cluster-ca={ca}",
        f"--network={settings.net.cluster_cidr}",
        f"--network={settings.net.service_cluster_ip_range}",
        *own_pod.reserved(settings),
    ]
