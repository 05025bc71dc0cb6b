"""kubeception inside the cluster: the service on which joining hosts knock."""

from collections.abc import Iterator

from kubeception.config.cluster import ClusterSettings
from kubeception.endpoints import url
from kubeception.facts import ClusterFacts
from kubeception.render import join_records, objects, own_pod, pod_folder
from kubeception.render.pod_folder import PodFolder

NAME = own_pod.COMPONENT
LABELS = {"k8s-app": NAME}
PORT = 8443
# glibc is to give back big blocks as soon as they are freed (mallopt(3)). By itself it stops to do
# so with the first one: asyncio's TLS buffers, 256 KiB for each connection, then come and go in the
# heap, and what is left between them makes that grow, by some 25 bytes a request to begin with.
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": str(128 * 1024)}
# More than twice what it takes while everybody whom it lets in speaks TLS: 45 MiB, and 0.35 for
# each of 512. The rest is for what lies in the kernel, unread, of those who wait outside.
MEMORY = "512Mi"
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


def everything(cluster: ClusterFacts) -> Iterator[objects.Object]:
    """Yield its account and what that may do, its Deployment and its NodePort."""
    settings = cluster.settings
    yield from join_records.namespaces()
    yield from account()
    yield own_pod.deployment(
        NAME,
        cluster,
        arguments=_arguments(cluster),
        folder=folder(settings),
        memory=MEMORY,
        more={
            "env": [{"name": name, "value": value} for name, value in ENVIRONMENT.items()],
            "readinessProbe": {
                "httpGet": {"path": "/healthz", "port": PORT, "scheme": "HTTPS"},
                "periodSeconds": 1,
                "timeoutSeconds": 5,
            },
        },
    )
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": objects.metadata(NAME, labels=LABELS),
        "spec": {
            "type": "NodePort",
            # No worker's port leads to it, and it sees who asks.
            "externalTrafficPolicy": "Local",
            "selector": LABELS,
            "ports": [
                {
                    "name": "join",
                    "port": PORT,
                    "protocol": "TCP",
                    "targetPort": PORT,
                    "nodePort": settings.kubeception.join_port,
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


def folder(settings: ClusterSettings) -> PodFolder:
    """Return what it gets copies of: what it serves with, and the certificates of two CAs."""
    pki = settings.layout.pki
    files = {pki.join.certificate, pki.join.key, pki.join_ca.certificate, pki.ca.certificate}
    return pod_folder.of(NAME, settings, files, user=pod_folder.JOIN_USER)


def _arguments(cluster: ClusterFacts) -> list[str]:
    settings = cluster.settings
    pki = settings.layout.pki
    return [
        "serve",
        f"--certificate={pki.join.certificate}",
        f"--key={pki.join.key}",
        f"--ca={pki.join_ca.certificate}",
        f"--port={PORT}",
        f"--api={own_pod.api(settings)}",
        *(f"--endpoint={url(at)}" for at in sorted(cluster.control_planes.values(), key=int)),
        f"--cluster-ca={pki.ca.certificate}",
        f"--cluster-dns={settings.net.dns_ip}",
        *own_pod.reserved(settings),
    ]
