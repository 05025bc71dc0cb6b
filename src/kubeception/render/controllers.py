"""The controller-manager and the scheduler: hosted as Deployments, for bootstrap as static pods.

Two replicas share one host's network, and with it a port, so no probe can tell them apart: who
leads is told by the Lease, and that is the truth here.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kubeception.config.cluster import ClusterSettings
from kubeception.config.model import Pod
from kubeception.facts import ClusterFacts
from kubeception.layout import Pair
from kubeception.render import emulation, extras, objects, pod_folder
from kubeception.render.pod_folder import PodFolder

REPLICAS = 2


@dataclass(frozen=True)
class Controller:
    """One of the two: its name, its ports, and its flags beside the common ones.

    `section` is its table of the configuration, `client` is what its kubeconfig names,
    `bootstrap_flags` are for the temporary copy alone.
    """

    name: str
    section: str
    port: int
    bootstrap_port: int
    cpu: str
    kubeconfig: Callable[[ClusterSettings], Path]
    client: Callable[[ClusterSettings], Pair]
    flags: Callable[[ClusterSettings], dict[str, str]]
    bootstrap_flags: Mapping[str, str]
    user: int = pod_folder.ROOT

    @property
    def bootstrap_name(self) -> str:
        """The static pod's name; the kubelet adds the node's."""
        return f"bootstrap-{self.name}"

    @property
    def labels(self) -> dict[str, str]:
        """What the Deployment selects its pods by."""
        return {"component": self.name, "tier": "control-plane"}


_SIGNING = "cluster-signing"
# Refused beside those of each signer; a user's counts for all signers but that of serving.
_OF_ALL_SIGNERS = (f"{_SIGNING}-cert-file", f"{_SIGNING}-key-file")


def _controller_manager_flags(settings: ClusterSettings) -> dict[str, str]:
    at = settings.layout.pki
    return {
        "allocate-node-cidrs": "true",
        "cluster-cidr": settings.net.cluster_cidr,
        "cluster-name": "kubernetes",
        **dict(_signers(settings)),
        # A leader that ends hands its Lease over instead of letting it run out (1.36 and later).
        "feature-gates": "ControllerManagerReleaseLeaderElectionLockOnExit=true",
        # A new leader starts some forty controllers, each with an account of its own: at the
        # default of 20 requests a second that alone takes seconds without any controller.
        "kube-api-burst": "200",
        "kube-api-qps": "100",
        "root-ca-file": str(at.ca.certificate),
        "service-account-private-key-file": str(at.service_account_key),
        "service-cluster-ip-range": settings.net.service_cluster_ip_range,
        "use-service-account-credentials": "true",
    }


def _signers(settings: ClusterSettings) -> Iterator[tuple[str, str]]:
    """Yield whose key signs for each signer: what a kubelet serves with never passes as the API."""
    at, asked = settings.layout.pki, settings.controller_manager.extra_args
    certificate, key = _OF_ALL_SIGNERS
    of_cluster = asked.get(certificate, str(at.ca.certificate)), asked.get(key, str(at.ca.key))
    of_serving = str(at.kubelet_serving_ca.certificate), str(at.kubelet_serving_ca.key)
    for signer in ("kube-apiserver-client", "kubelet-client", "kubelet-serving", "legacy-unknown"):
        pair = of_serving if signer == "kubelet-serving" else of_cluster
        yield f"{_SIGNING}-{signer}-cert-file", pair[0]
        yield f"{_SIGNING}-{signer}-key-file", pair[1]


# The temporary copy only has to bring the hosted ones to life; each controller more costs time at
# its start.
_JUST_ENOUGH = {
    "controllers": ",".join(
        f"{name}-controller"
        for name in (
            "daemonset",
            "deployment",
            "node-ipam",
            "node-lifecycle",
            "replicaset",
            "root-ca-certificate-publisher",
            "serviceaccount",
        )
    ),
}

CONTROLLER_MANAGER = Controller(
    "kube-controller-manager",
    "controller_manager",
    port=10257,
    bootstrap_port=10267,
    cpu="200m",
    kubeconfig=lambda settings: settings.layout.kubernetes.controller_manager,
    client=lambda settings: settings.layout.pki.controller_manager,
    flags=_controller_manager_flags,
    bootstrap_flags=_JUST_ENOUGH,
)
SCHEDULER = Controller(
    "kube-scheduler",
    "scheduler",
    # Not upstream's 10259: there listens, as another user, the one that an older version of ours
    # has made, and a port is shared among processes of one user alone (socket(7), SO_REUSEPORT).
    port=10261,
    bootstrap_port=10269,
    cpu="100m",
    kubeconfig=lambda settings: settings.layout.kubernetes.scheduler,
    client=lambda settings: settings.layout.pki.scheduler,
    flags=lambda _settings: {},
    bootstrap_flags={},
    user=pod_folder.SCHEDULER_USER,
)
BOTH = (CONTROLLER_MANAGER, SCHEDULER)


def deployment(controller: Controller, cluster: ClusterFacts) -> objects.Object:
    """Return the hosted form."""
    settings = cluster.settings
    spec = _pod_spec(controller, settings, bootstrap=False)
    about: objects.Object = {"labels": {**objects.MANAGED_BY, **controller.labels}}
    if note := extras.files_note(controller.section, settings):
        about["annotations"] = note
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": objects.metadata(controller.name, labels=controller.labels),
        "spec": {
            "replicas": REPLICAS,
            "minReadySeconds": objects.STEADY_S,
            "selector": {"matchLabels": controller.labels},
            "template": {
                "metadata": about,
                "spec": {
                    **spec,
                    "affinity": {
                        **objects.only_on(cluster.control_planes),
                        **_spread(controller),
                    },
                },
            },
        },
    }


def disruption_budget(controller: Controller) -> objects.Object:
    """Return the budget that keeps one replica."""
    return objects.disruption_budget(controller.name, controller.labels)


def bootstrap_pod(controller: Controller, settings: ClusterSettings) -> objects.Object:
    """Return the bootstrap form."""
    spec = _pod_spec(controller, settings, bootstrap=True)
    name = controller.bootstrap_name
    return objects.static_pod(name, {"component": name}, spec)


def folder(controller: Controller, settings: ClusterSettings) -> PodFolder:
    """Return which files one of the two gets copies of: what its flags and its kubeconfig name."""
    at, client = settings.layout, controller.client(settings)
    wanted = pod_folder.named(
        controller.section, _flags(controller, settings), settings, user=controller.user
    )
    access = {
        controller.kubeconfig(settings),
        at.pki.ca.certificate,
        client.certificate,
        client.key,
    }
    return pod_folder.of(controller.name, settings, wanted | access, user=controller.user)


def _flags(controller: Controller, settings: ClusterSettings) -> dict[str, str]:
    kubeconfig, pki = controller.kubeconfig(settings), settings.layout.pki
    asked: Pod = getattr(settings, controller.section)
    return {
        "authentication-kubeconfig": str(kubeconfig),
        "authorization-kubeconfig": str(kubeconfig),
        "bind-address": "127.0.0.1",
        "client-ca-file": str(pki.ca.certificate),
        "kubeconfig": str(kubeconfig),
        "leader-elect": "true",
        # How often a standby looks for a Lease that was let go, times one to two: with the default
        # of 2 s a change of leaders takes up to 4.4.
        "leader-elect-retry-period": "1s",
        "requestheader-client-ca-file": str(pki.front_proxy_ca.certificate),
        **controller.flags(settings),
        **emulation.flags(settings),
        **{flag: value for flag, value in asked.extra_args.items() if flag not in _OF_ALL_SIGNERS},
    }


def _pod_spec(
    controller: Controller, settings: ClusterSettings, *, bootstrap: bool
) -> objects.Object:
    own = folder(controller, settings)
    ours = {
        "kubeconfig": (controller.kubeconfig(settings), "File"),
        **pod_folder.volumes(own),
    }
    asked: Pod = getattr(settings, controller.section)
    seen = extras.volumes(controller.section, asked, ours, folder=own)
    flags = _flags(controller, settings)
    if bootstrap:
        flags |= controller.bootstrap_flags
        flags["secure-port"] = str(controller.bootstrap_port)
    else:
        flags["permit-port-sharing"] = "true"
        flags["secure-port"] = str(controller.port)
    return {
        "hostNetwork": True,
        "dnsPolicy": "Default",
        "priorityClassName": objects.NODE_CRITICAL if bootstrap else objects.CLUSTER_CRITICAL,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "tolerations": objects.TOLERATE_EVERYTHING,
        "terminationGracePeriodSeconds": 10,
        "containers": [
            {
                "name": controller.name,
                "image": settings.release.images[controller.name],
                "imagePullPolicy": "IfNotPresent",
                "command": [controller.name, *objects.flags(flags)],
                "resources": {"requests": {"cpu": controller.cpu}},
                "securityContext": {**objects.CONFINED, **own.run_as},
                "volumeMounts": seen["volumeMounts"],
            }
        ],
        "volumes": seen["volumes"],
    }


def _spread(controller: Controller) -> objects.Object:
    """Prefer one replica a host, where there are several."""
    term = {
        "labelSelector": {"matchLabels": controller.labels},
        "topologyKey": objects.HOSTNAME,
    }
    return {
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 100, "podAffinityTerm": term}
            ]
        }
    }
