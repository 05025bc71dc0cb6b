"""kube-proxy: Services on every node."""

from collections.abc import Iterator
from pathlib import Path

from kubeception.config.cluster import ClusterSettings
from kubeception.facts import ClusterFacts
from kubeception.render import extras, objects

NAME = "kube-proxy"
# What it makes of itself on a host, in its nftables mode.
TABLES = (("ip", "kube-proxy"), ("ip6", "kube-proxy"))
LABELS = {"k8s-app": NAME}
_SETTINGS = "/var/lib/kube-proxy"
_PATHS = {
    "modules": (Path("/lib/modules"), "DirectoryOrCreate"),
    "xtables-lock": (Path("/run/xtables.lock"), "FileOrCreate"),
}


def everything(cluster: ClusterFacts) -> Iterator[objects.Object]:
    """Yield kube-proxy's account, settings and DaemonSet."""
    yield objects.service_account(NAME)
    yield objects.cluster_role_binding(
        "kubeadm:node-proxier", role="system:node-proxier", subject=objects.account(NAME)
    )
    text = objects.document(settings(cluster.settings))
    yield {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": objects.metadata(NAME, labels=LABELS),
        "data": {"config.conf": text},
    }
    yield objects.node_daemonset(NAME, LABELS, _pod_spec(cluster), settings=text)


def settings(shared: ClusterSettings) -> objects.Object:
    """Return its KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1)."""
    wanted: objects.Object = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clusterCIDR": shared.net.cluster_cidr,
        # Always said, for Kubernetes' own default will change.
        "mode": str(shared.net.proxy_mode),
    }
    if not shared.sizes_conntrack:
        # The kernel would refuse to change the connection table's size.
        wanted["conntrack"] = {"maxPerCore": 0}
    return wanted


def _flags(shared: ClusterSettings) -> dict[str, str]:
    """Return its flags; beside a settings file it ignores nearly all, so it is one or the other."""
    asked = shared.proxy.extra_args
    flags = {"config": f"{_SETTINGS}/config.conf"}
    if asked:
        flags = {"cluster-cidr": shared.net.cluster_cidr, "proxy-mode": str(shared.net.proxy_mode)}
        if not shared.sizes_conntrack:
            flags["conntrack-max-per-core"] = "0"
    return {**flags, **asked, "hostname-override": "$(NODE_NAME)"}


def _pod_spec(cluster: ClusterFacts) -> objects.Object:
    seen = extras.volumes("proxy", cluster.settings.proxy, _PATHS, writable=("xtables-lock",))
    return {
        "hostNetwork": True,
        "priorityClassName": objects.NODE_CRITICAL,
        "serviceAccountName": NAME,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": objects.TOLERATE_EVERYTHING,
        "containers": [
            {
                "name": NAME,
                "image": cluster.settings.release.images[NAME],
                "imagePullPolicy": "IfNotPresent",
                "command": [NAME, *objects.flags(_flags(cluster.settings))],
                "env": [*objects.api_by_the_door(cluster.endpoint), objects.NODE_NAME],
                "securityContext": {"privileged": True},
                "volumeMounts": [
                    {"name": "settings", "mountPath": _SETTINGS},
                    *seen["volumeMounts"],
                ],
            }
        ],
        "volumes": [
            {"name": "settings", "configMap": {"name": NAME}},
            *seen["volumes"],
        ],
    }
