"""kube-proxy: Services on every node.

What it has to change of the host's kernel settings it does once, before it starts, in a container
that is privileged; the one that goes on holds the network's capability alone, and so leaves these
settings as they are.
"""

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
# Of the kernel's table of connections, nothing is to be changed.
_AS_IT_IS = {
    "conntrack-max-per-core": "0",
    "conntrack-tcp-timeout-close-wait": "0s",
    "conntrack-tcp-timeout-established": "0s",
}


def everything(cluster: ClusterFacts) -> Iterator[objects.Object]:
    """Yield kube-proxy's account, settings and DaemonSet."""
    yield objects.service_account(NAME)
    yield objects.cluster_role_binding(
        "kubeadm:node-proxier", role="system:node-proxier", subject=objects.account(NAME)
    )
    data = {
        "config.conf": objects.document(settings(cluster.settings)),
        "init.conf": objects.document(settings(cluster.settings, is_first=True)),
    }
    yield {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": objects.metadata(NAME, labels=LABELS),
        "data": data,
    }
    yield objects.node_daemonset(NAME, LABELS, _pod_spec(cluster), settings=data)


def settings(shared: ClusterSettings, *, is_first: bool = False) -> objects.Object:
    """Return its KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1).

    `is_first` is for the container that sets what the kernel has to be set to.
    """
    wanted: objects.Object = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clusterCIDR": shared.net.cluster_cidr,
        # Always said, for Kubernetes' own default will change.
        "mode": str(shared.net.proxy_mode),
    }
    if not is_first:
        wanted["conntrack"] = {
            "maxPerCore": 0,
            "tcpCloseWaitTimeout": "0s",
            "tcpEstablishedTimeout": "0s",
        }
    elif not shared.sizes_conntrack:
        # The kernel would refuse to change the connection table's size.
        wanted["conntrack"] = {"maxPerCore": 0}
    return wanted


def _flags(shared: ClusterSettings, *, is_first: bool) -> dict[str, str]:
    """Return its flags; beside a settings file it ignores nearly all, so it is one or the other."""
    asked = shared.proxy.extra_args
    flags = {"config": f"{_SETTINGS}/{'init' if is_first else 'config'}.conf"}
    if asked:
        mode = {"cluster-cidr": shared.net.cluster_cidr, "proxy-mode": str(shared.net.proxy_mode)}
        flags = {**mode, **asked}
        if not is_first:
            flags = {name: flags[name] for name in flags if not name.startswith("conntrack-")}
            flags |= _AS_IT_IS
        elif not shared.sizes_conntrack:
            flags.setdefault("conntrack-max-per-core", "0")
    once = {"init-only": "true"} if is_first else {}
    return {**flags, **once, "hostname-override": "$(NODE_NAME)"}


def _pod_spec(cluster: ClusterFacts) -> objects.Object:
    seen = extras.volumes("proxy", cluster.settings.proxy, _PATHS, writable=("xtables-lock",))

    def container(name: str, security: objects.Object, *, is_first: bool) -> objects.Object:
        flags = _flags(cluster.settings, is_first=is_first)
        return {
            "name": name,
            "image": cluster.settings.release.images[NAME],
            "imagePullPolicy": "IfNotPresent",
            "command": [NAME, *objects.flags(flags)],
            "env": [*objects.api_by_the_door(cluster.endpoint), objects.NODE_NAME],
            "securityContext": security,
            "volumeMounts": [
                {"name": "settings", "mountPath": _SETTINGS},
                *seen["volumeMounts"],
            ],
        }

    network = {"drop": ["ALL"], "add": ["NET_ADMIN"]}
    return {
        "hostNetwork": True,
        "priorityClassName": objects.NODE_CRITICAL,
        "serviceAccountName": NAME,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": objects.TOLERATE_EVERYTHING,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "initContainers": [container("kernel", {"privileged": True}, is_first=True)],
        "containers": [
            container(NAME, {**objects.CONFINED, "capabilities": network}, is_first=False)
        ],
        "volumes": [
            {"name": "settings", "configMap": {"name": NAME}},
            *seen["volumes"],
        ],
    }
