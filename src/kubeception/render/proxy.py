"""kube-proxy: Services on every node."""

from collections.abc import Iterator
from pathlib import Path

from kubeception.config import Config
from kubeception.config.model import ProxyMode
from kubeception.facts import Facts
from kubeception.render import objects

NAME = "kube-proxy"
# What it makes of itself on a host, in its nftables mode.
TABLES = (("ip", "kube-proxy"), ("ip6", "kube-proxy"))
LABELS = {"k8s-app": NAME}
_SETTINGS = "/var/lib/kube-proxy"
_PATHS = {
    "modules": (Path("/lib/modules"), "DirectoryOrCreate"),
    "xtables-lock": (Path("/run/xtables.lock"), "FileOrCreate"),
}


def mode(config: Config, facts: Facts) -> ProxyMode:
    """Return how Services are programmed; always said, for Kubernetes' own default will change."""
    if config.net.proxy_mode:
        return config.net.proxy_mode
    return ProxyMode.NFTABLES if facts.has_nftables_proxy else ProxyMode.IPTABLES


def everything(config: Config, facts: Facts) -> Iterator[objects.Object]:
    """Yield kube-proxy's account, settings and DaemonSet."""
    yield objects.service_account(NAME)
    yield objects.cluster_role_binding(
        "kubeadm:node-proxier", role="system:node-proxier", subject=objects.account(NAME)
    )
    text = objects.document(settings(config, facts))
    yield {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": objects.metadata(NAME, labels=LABELS),
        "data": {"config.conf": text},
    }
    yield objects.node_daemonset(NAME, LABELS, _pod_spec(facts), settings=text)


def settings(config: Config, facts: Facts) -> objects.Object:
    """Return its KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1)."""
    wanted: objects.Object = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clusterCIDR": config.net.cluster_cidr,
        "mode": str(mode(config, facts)),
    }
    if not facts.has_sys_resource:
        # The kernel would refuse to change the connection table's size.
        wanted["conntrack"] = {"maxPerCore": 0}
    return wanted


def _pod_spec(facts: Facts) -> objects.Object:
    return {
        "hostNetwork": True,
        "priorityClassName": objects.NODE_CRITICAL,
        "serviceAccountName": NAME,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": objects.TOLERATE_EVERYTHING,
        "containers": [
            {
                "name": NAME,
                "image": facts.images[NAME],
                "imagePullPolicy": "IfNotPresent",
                "command": [
                    NAME,
                    f"--config={_SETTINGS}/config.conf",
                    "--hostname-override=$(NODE_NAME)",
                ],
                "env": [*objects.api_by_the_door(facts.address), objects.NODE_NAME],
                "securityContext": {"privileged": True},
                "volumeMounts": [
                    {"name": "settings", "mountPath": _SETTINGS},
                    *objects.mounts(_PATHS, writable=("xtables-lock",)),
                ],
            }
        ],
        "volumes": [
            {"name": "settings", "configMap": {"name": NAME}},
            *objects.volumes(_PATHS),
        ],
    }
