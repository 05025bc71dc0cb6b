"""CoreDNS: names of Services, at the cluster DNS address."""

from collections.abc import Iterator

from kubeception.config.cluster import ClusterSettings
from kubeception.render import objects

NAME = "coredns"
SERVICE = "kube-dns"
LABELS = {"k8s-app": SERVICE}
REPLICAS = 2
PORTS = [
    {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
    {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
    {"name": "metrics", "port": 9153, "protocol": "TCP", "targetPort": 9153},
]


def everything(settings: ClusterSettings) -> Iterator[objects.Object]:
    """Yield CoreDNS's account, role, settings, Deployment and Service."""
    yield objects.service_account(NAME)
    yield objects.cluster_role(
        "system:coredns",
        [
            objects.rule("", "services namespaces", "list", "watch"),
            objects.rule("discovery.k8s.io", "endpointslices", "list", "watch"),
        ],
    )
    yield objects.cluster_role_binding(
        "system:coredns", role="system:coredns", subject=objects.account(NAME)
    )
    corefile = _corefile(settings)
    yield {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": objects.metadata(NAME, labels=LABELS),
        "data": {"Corefile": corefile},
    }
    yield _deployment(settings, corefile)
    yield objects.disruption_budget(NAME, LABELS)
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": objects.metadata(
            SERVICE,
            labels={
                **LABELS,
                "kubernetes.io/cluster-service": "true",
                "kubernetes.io/name": "CoreDNS",
            },
        ),
        "spec": {"clusterIP": str(settings.net.dns_ip), "selector": LABELS, "ports": PORTS},
    }


def _corefile(settings: ClusterSettings) -> str:
    # A host without any resolver has nobody to forward to, and CoreDNS would refuse to start.
    forward = ["forward . /etc/resolv.conf"] if settings.forwards_names else []
    plugins = [
        "errors",
        "health",
        "ready",
        f"kubernetes {settings.net.cluster_domain} in-addr.arpa ip6.arpa {{",
        "    pods insecure",
        "    fallthrough in-addr.arpa ip6.arpa",
        "}",
        "prometheus :9153",
        *forward,
        "cache 30",
        "loop",
        "reload",
        "loadbalance",
    ]
    return ".:53 {\n" + "".join(f"    {line}\n" for line in plugins) + "}\n"


def _deployment(settings: ClusterSettings, corefile: str) -> objects.Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": objects.metadata(NAME, labels=LABELS),
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": LABELS},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "template": {
                "metadata": {
                    "labels": {**objects.MANAGED_BY, **LABELS},
                    "annotations": {objects.SETTINGS_NOTE: objects.digest(corefile)},
                },
                "spec": _pod_spec(settings),
            },
        },
    }


def _pod_spec(settings: ClusterSettings) -> objects.Object:
    return {
        # Its resolver is the host's; the cluster's would be itself.
        "dnsPolicy": "Default",
        "priorityClassName": objects.CLUSTER_CRITICAL,
        "serviceAccountName": NAME,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [
            {"key": "CriticalAddonsOnly", "operator": "Exists"},
            *objects.TOLERATE_CONTROL_PLANE,
        ],
        "containers": [
            {
                "name": NAME,
                "image": settings.release.images[NAME],
                "imagePullPolicy": "IfNotPresent",
                "args": ["-conf", "/etc/coredns/Corefile"],
                "resources": {
                    "requests": {"cpu": "100m", "memory": "70Mi"},
                    "limits": {"memory": "170Mi"},
                },
                "securityContext": {
                    **objects.CONFINED,
                    "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
                },
                "livenessProbe": _probe("/health", 8080, periodSeconds=10, failureThreshold=5),
                "readinessProbe": _probe("/ready", 8181, periodSeconds=1, failureThreshold=3),
                "volumeMounts": [
                    {"name": "settings", "mountPath": "/etc/coredns", "readOnly": True}
                ],
            }
        ],
        "volumes": [{"name": "settings", "configMap": {"name": NAME}}],
    }


def _probe(path: str, port: int, **timing: int) -> objects.Object:
    return {"httpGet": {"path": path, "port": port}, "timeoutSeconds": 5, **timing}
