"""The hosted API server, a DaemonSet; render/revision.py makes the bootstrap one of its template.

Its pods name no API object, so that the template can always be started by a kubelet alone: paths on
the host and the downward API only.
"""

from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

from kubeception.config.cluster import ClusterSettings
from kubeception.endpoints import ETCD_PORT, HOSTED_PORTS, LOOPBACK, url
from kubeception.facts import ClusterFacts, HostFacts
from kubeception.render import emulation, extras, objects, pod_folder
from kubeception.render.pod_folder import PodFolder

NAME = "kube-apiserver"
BOOTSTRAP_NAME = "bootstrap-kube-apiserver"

LABELS = {"component": NAME, "tier": "control-plane"}
_SECTION = "apiserver"
PORT_NOTE = "kubeception.dev/port"
TEMPLATE_NOTE = "kubeception.dev/template"
# On the DaemonSet itself, for the keepers of other hosts: the revision that was proven last, and
# the one that was put back last, with why and the digest of what was rendered. What a host has
# kept of these on its disk counts more.
PROVEN_NOTE = "kubeception.dev/proven"
REFUSED_NOTE = "kubeception.dev/refused"
# Set on a hosted pod once the door has turned to it; only then may the one before it go.
DOOR_GATE = "kubeception.dev/door"

ENABLED = "enable-admission-plugins"
DISABLED = "disable-admission-plugins"
# Nothing new is sent to the bootstrap one by the time it is told to end.
BOOTSTRAP_GRACE_S = 2

# What of admission is other people's to set: calls out of the API server, policies, and what a
# namespace says of its pods. Whatever it refuses, or makes of our pods, the bootstrap control plane
# must be able to repair the cluster.
_OTHERS_ADMISSION = (
    "AlwaysPullImages,EventRateLimit,ImagePolicyWebhook,LimitRanger,"
    "MutatingAdmissionPolicy,MutatingAdmissionWebhook,"
    "PodNodeSelector,PodSecurity,PodTolerationRestriction,ResourceQuota,"
    "ValidatingAdmissionPolicy,ValidatingAdmissionWebhook"
)


def hosted_port(cluster: ClusterFacts) -> int:
    """Return the hosted API server's port: the one that it has, or for a roll a free one."""
    if cluster.hosted is None:
        return HOSTED_PORTS[0]
    if cluster.hosted.template == template_digest(cluster.settings):
        return cluster.hosted.port
    return free_port(cluster.hosted.port, cluster.hosted.taken)


def free_port(before: int, taken: Container[int] = ()) -> int:
    """Return a port of the pool that nobody has, the next one after another.

    The next and not the first: who had a port last may not have ended yet.
    """
    first, count = HOSTED_PORTS[0], len(HOSTED_PORTS)
    after = (first + (before - first + step) % count for step in range(1, count + 1))
    return next((port for port in after if port not in taken and port != before), before)


def daemonset(cluster: ClusterFacts) -> objects.Object:
    """Return the hosted API server."""
    settings, port = cluster.settings, hosted_port(cluster)
    notes = {
        PORT_NOTE: str(port),
        TEMPLATE_NOTE: template_digest(settings),
        **extras.files_note(_SECTION, settings),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": objects.metadata(NAME, labels=LABELS),
        "spec": {
            "selector": {"matchLabels": LABELS},
            # No minReadySeconds: its door gate says when it serves, and a controller-manager that
            # comes to lead amid such seconds does not look again when they are over.
            # The new one comes up beside the old one, on another port; no port is declared, or
            # the scheduler would take the two for a conflict.
            "updateStrategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
            },
            "template": {
                "metadata": {"labels": {**objects.MANAGED_BY, **LABELS}, "annotations": notes},
                "spec": {
                    **_pod_spec(settings, port=port),
                    "nodeSelector": {objects.CONTROL_PLANE: ""},
                    "readinessGates": [{"conditionType": DOOR_GATE}],
                },
            },
        },
    }


def bootstrap_flags(host: HostFacts) -> dict[str, str]:
    """Return the flags in which the bootstrap one differs, besides its port."""
    return {
        "advertise-address": str(host.address),
        "bind-address": "127.0.0.1",
        DISABLED: _OTHERS_ADMISSION,
        "shutdown-delay-duration": "0s",
        "shutdown-watch-termination-grace-period": "1s",
    }


def template_digest(settings: ClusterSettings) -> str:
    """Return what tells whether the settings that we render have changed."""
    return objects.digest({**_pod_spec(settings, port=0), **extras.files_note(_SECTION, settings)})


def folder(settings: ClusterSettings, more: Iterable[Path] = ()) -> PodFolder:
    """Return which files it gets copies of, beside `more`: those that its flags name."""
    wanted = pod_folder.named(_SECTION, _flags(settings, port=0), settings)
    return pod_folder.of(NAME, settings, {*wanted, *more})


def _pod_spec(settings: ClusterSettings, *, port: int) -> objects.Object:
    own = folder(settings)
    paths = {
        **pod_folder.volumes(own),
        "public-cas": (settings.layout.public_cas, "DirectoryOrCreate"),
    }
    seen = extras.volumes(_SECTION, settings.apiserver, paths, folder=own)
    return {
        "hostNetwork": True,
        "dnsPolicy": "Default",
        "priorityClassName": objects.NODE_CRITICAL,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "tolerations": objects.TOLERATE_EVERYTHING,
        "terminationGracePeriodSeconds": 30,
        "containers": [
            {
                "name": NAME,
                "image": settings.release.images[NAME],
                "imagePullPolicy": "IfNotPresent",
                "command": [NAME, *objects.flags(_flags(settings, port))],
                "env": [objects.HOST_IP],
                "resources": {"requests": {"cpu": "250m"}},
                "securityContext": objects.CONFINED,
                **_probes(settings, port),
                "volumeMounts": seen["volumeMounts"],
            }
        ],
        "volumes": seen["volumes"],
    }


def _probes(settings: ClusterSettings, port: int) -> objects.Object:
    timing: dict[str, tuple[str, dict[str, int]]] = {
        "startupProbe": ("/livez", {"periodSeconds": 1, "failureThreshold": 240}),
        "livenessProbe": ("/livez", {"periodSeconds": 10, "failureThreshold": 8}),
        "readinessProbe": ("/readyz", {"periodSeconds": 1, "failureThreshold": 3}),
    }
    asks = _answers_strangers(settings)
    return {
        name: {
            **(objects.probe(path, port) if asks else objects.connection_probe(port)),
            "timeoutSeconds": 15,
            **seconds,
        }
        for name, (path, seconds) in timing.items()
    }


def _answers_strangers(settings: ClusterSettings) -> bool:
    """Tell whether a kubelet, which shows no credential, is surely told how the server is.

    What the keeper and bootstrap go by is asked with one.
    """
    said = settings.apiserver.extra_args
    is_allowed = str(said.get("anonymous-auth", "true")).lower() in {"true", "t", "1"}
    return is_allowed and not said.get("authentication-config")


def _flags(settings: ClusterSettings, port: int) -> dict[str, str]:
    at = settings.layout.pki
    flags: dict[str, Any] = {
        "advertise-address": "$(HOST_IP)",
        "allow-privileged": "true",
        "authorization-mode": "Node,RBAC",
        "client-ca-file": at.ca.certificate,
        ENABLED: "NodeRestriction",
        # Two servers on one address would erase each other's entry; ours are objects.
        "endpoint-reconciler-type": "none",
        "etcd-cafile": at.etcd_ca.certificate,
        "etcd-certfile": at.apiserver_etcd_client.certificate,
        "etcd-keyfile": at.apiserver_etcd_client.key,
        "etcd-servers": url(LOOPBACK, ETCD_PORT),
        "kubelet-certificate-authority": at.kubelet_serving_cas,
        "kubelet-client-certificate": at.apiserver_kubelet_client.certificate,
        "kubelet-client-key": at.apiserver_kubelet_client.key,
        "kubelet-preferred-address-types": "InternalIP,ExternalIP,Hostname",
        "proxy-client-cert-file": at.front_proxy_client.certificate,
        "proxy-client-key-file": at.front_proxy_client.key,
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-client-ca-file": at.front_proxy_ca.certificate,
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-username-headers": "X-Remote-User",
        "service-account-issuer": f"https://kubernetes.default.svc.{settings.net.cluster_domain}",
        "service-account-key-file": at.service_account_public,
        "service-account-signing-key-file": at.service_account_key,
        "service-cluster-ip-range": settings.net.service_cluster_ip_range,
        # One that is told to end says so a while before it takes no more connections, so that the
        # door can turn to another.
        "shutdown-delay-duration": "2s",
        # Without it a server that is told to end waits for its watches, which nobody else ends.
        "shutdown-watch-termination-grace-period": "5s",
        "tls-cert-file": at.apiserver.certificate,
        "tls-private-key-file": at.apiserver.key,
        **emulation.flags(settings),
        **settings.apiserver.extra_args,
        "secure-port": port,
    }
    return {name: str(value) for name, value in flags.items()}
