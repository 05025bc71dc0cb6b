"""flannel: the pods' network, over VXLAN."""

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from kubeception.config.cluster import ClusterSettings
from kubeception.config.model import ProxyMode
from kubeception.facts import ClusterFacts
from kubeception.render import objects

NAME = "kube-flannel"
ACCOUNT = "flannel"
# What it says of its node to the others.
ANNOTATIONS = "flannel.alpha.coreos.com/"
# The node's link address in the pod network, for each IP family, as its vxlan backend (0.28) writes
# one: no card has it, and it is nobody's broadcast.
LINK_ADDRESSES = (f"{ANNOTATIONS}backend-data", f"{ANNOTATIONS}backend-v6-data")
LINK_FORM = r'^[{]"VNI":1,"VtepMAC":"[0-9a-f][26ae](:[0-9a-f]{2}){5}"[}]$'
# Where others send what is for its pods; a person may have said that it is to be another one.
END = f"{ANNOTATIONS}public-ip"
_CHOSEN_END = f"{END}-overwrite"
LABELS = {"k8s-app": "flannel"}
PLUGIN = "10-flannel.conflist"
RUN = Path("/run/flannel")
# Which range this node's pods have.
SUBNET = RUN / "subnet.env"
# By which index its program of now has found its link: one that is made anew has another.
LINK_INDEX = RUN / "link-index"
BRIDGE = "cni0"
# What flannel and its plugins make of themselves on a host, besides the file above. Of a folder
# also what in it is theirs: a file for each container, and one for each address.
LINK = "flannel.1"
LINKS = (LINK, BRIDGE)
TABLES = (("ip", "flannel-ipv4"), ("ip6", "flannel-ipv6"))
GIVEN_OUT = Path("/var/lib/cni/networks/cbr0")
FOLDERS = {
    RUN: (SUBNET.name, LINK_INDEX.name),
    Path("/var/lib/cni/flannel"): ("[0-9a-f]" * 64,),
    GIVEN_OUT: (
        "[0-9]*.[0-9]*.[0-9]*.[0-9]*",
        "last_reserved_ip.[0-9]*",
        "lock",
    ),
}
_SETTINGS = "/etc/kube-flannel"


def everything(cluster: ClusterFacts) -> Iterator[objects.Object]:
    """Yield flannel's account, role, settings and DaemonSet."""
    yield objects.service_account(ACCOUNT)
    yield objects.cluster_role(
        ACCOUNT,
        [
            objects.rule("", "nodes", "get", "list", "watch"),
            objects.rule("", "nodes/status", "patch"),  # its own: render/policies.py
        ],
    )
    yield objects.cluster_role_binding(ACCOUNT, role=ACCOUNT, subject=objects.account(ACCOUNT))
    settings = _settings(cluster.settings)
    yield {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": objects.metadata(NAME, labels=LABELS),
        "data": settings,
    }
    yield objects.node_daemonset(NAME, LABELS, _pod_spec(cluster), settings=settings)


def link_addresses(node: objects.Object) -> list[str]:
    """Return the link addresses that a Node's annotations say."""
    notes = node["metadata"].get("annotations") or {}
    return [notes[one] for one in LINK_ADDRESSES if re.fullmatch(LINK_FORM, notes.get(one, ""))]


def end_elsewhere(node: objects.Object, own: Collection[str]) -> str | None:
    """Return to where others send what is for a Node's pods, if that is none of its own addresses.

    None for one that is to be so, by a person's word.
    """
    notes = node["metadata"].get("annotations") or {}
    end: str | None = notes.get(END)
    return None if not own or end in (None, *own, notes.get(_CHOSEN_END)) else end


def _settings(settings: ClusterSettings) -> dict[str, str]:
    network = {
        "Network": settings.net.cluster_cidr,
        "EnableNFTables": settings.net.proxy_mode is ProxyMode.NFTABLES,
        "Backend": {"Type": "vxlan"},
    }
    plugins = {
        "name": "cbr0",
        "cniVersion": "0.3.1",
        "plugins": [
            {"type": "flannel", "delegate": {"hairpinMode": True, "isDefaultGateway": True}},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
    return {
        "net-conf.json": json.dumps(network, sort_keys=True),
        PLUGIN: json.dumps(plugins, sort_keys=True),
    }


def _pod_spec(cluster: ClusterFacts) -> objects.Object:
    cni = cluster.settings.layout.cni.settings
    paths = {
        "cni": (cni, "DirectoryOrCreate"),
        "run": (RUN, "DirectoryOrCreate"),
        "xtables-lock": (Path("/run/xtables.lock"), "FileOrCreate"),
    }
    # With the plugin's settings in place the runtime calls the node's network ready, so they may
    # only be there once flannel can serve: a sandbox that fails before is not tried again for long.
    # Not in a hook after the start: while that runs, a kubelet can neither end nor replace the pod.
    number = f"/sys/class/net/{LINK}/ifindex"
    program = (
        f"( {{ until [ -s {SUBNET} ] && [ -e {number} ]; do sleep 0.1; done;"
        f" cat {number} > {LINK_INDEX};"
        f" cp {_SETTINGS}/{PLUGIN} {cni}/.{PLUGIN} && mv {cni}/.{PLUGIN} {cni}/{PLUGIN}; }}"
        ' & ); exec flanneld --ip-masq --kube-subnet-mgr --iface="$HOST_IP"'
    )
    return {
        "hostNetwork": True,
        # The pause container takes in the shell that is left behind by another, and flannel none.
        "shareProcessNamespace": True,
        "priorityClassName": objects.NODE_CRITICAL,
        "serviceAccountName": ACCOUNT,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": objects.TOLERATE_EVERYTHING,
        "terminationGracePeriodSeconds": 5,
        "containers": [
            {
                "name": "flannel",
                "image": cluster.settings.release.images["flannel"],
                "imagePullPolicy": "IfNotPresent",
                "command": ["sh", "-c", program],
                # By the node's own address; by itself flannel takes that of the default route.
                "env": [
                    *objects.api_by_the_door(cluster.endpoint),
                    objects.NODE_NAME,
                    objects.HOST_IP,
                ],
                # One that can't serve is not ready, and after two minutes started anew.
                "startupProbe": {
                    "exec": {"command": ["test", "-e", f"{cni}/{PLUGIN}"]},
                    "periodSeconds": 1,
                    "timeoutSeconds": 15,
                    "failureThreshold": 120,
                },
                "resources": {"requests": {"cpu": "100m", "memory": "50Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]},
                },
                "volumeMounts": [
                    {"name": "settings", "mountPath": _SETTINGS},
                    *objects.mounts(paths, writable=("cni", "run", "xtables-lock")),
                ],
            }
        ],
        "volumes": [
            {"name": "settings", "configMap": {"name": NAME}},
            *objects.volumes(paths),
        ],
    }
