"""Apply the hosted control plane, the add-ons and kubeception itself."""

from collections.abc import Iterator
from dataclasses import replace

from kubeception import conditions
from kubeception.conditions import Condition
from kubeception.config import Config
from kubeception.config.model import Cni
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.pki.token import Role
from kubeception.render import (
    access,
    api_service,
    apiserver,
    cluster_controller,
    cluster_settings,
    cluster_upgrade,
    controllers,
    coredns,
    flannel,
    join_records,
    join_service,
    keeper,
    kubelet_serving,
    limits,
    policies,
    proxy,
)
from kubeception.render.join_records import NodeRecord
from kubeception.render.objects import Object as Wanted
from kubeception.resources import Resource, account, right
from kubeception.resources.account import Account
from kubeception.resources.node_daemonset import NodeDaemonSet
from kubeception.resources.object import Object
from kubeception.resources.right import Right

# etcd or the kubelet may just have been started anew.
READY_AGAIN_S = 30.0


def everything(facts: Facts) -> Iterator[Wanted]:
    """Yield every object that we manage, the ones that others wait for first."""
    cluster, settings = facts.cluster, facts.cluster.settings
    yield from cluster_settings.readers()
    yield from access.bindings()
    yield from kubelet_serving.readers()
    yield from _api_server(facts)
    for controller in controllers.BOTH:
        yield controllers.deployment(controller, cluster)
    # Before the accounts that they hold.
    yield from policies.everything(cluster)
    if settings.net.cni is Cni.FLANNEL:
        yield from flannel.everything(cluster)
    yield from proxy.everything(cluster)
    yield from coredns.everything(settings)
    yield from join_service.everything(cluster)
    yield from cluster_upgrade.everything()
    yield from cluster_upgrade.readers()
    yield from cluster_controller.everything(cluster)
    yield from limits.everything(settings)
    # So that nobody joins by this host's name, not even while its Node object is gone.
    own = NodeRecord(facts.host.node, "", Role.CONTROL_PLANE, (facts.host.address,))
    yield join_records.from_node(own)
    yield from keeper.everything()
    for controller in controllers.BOTH:
        yield controllers.disruption_budget(controller)


def _api_server(facts: Facts) -> Iterator[Wanted]:
    """Yield its DaemonSet.

    Settings whose revision was put back are not tried again until somebody changes them.
    """
    cluster, refused = facts.cluster, {facts.host.refused}
    if cluster.hosted and not facts.is_attended:
        refused.add(cluster.hosted.refused)
    if cluster.hosted is None or apiserver.template_digest(cluster.settings) not in refused:
        yield apiserver.daemonset(cluster)


def newer_api_server(_config: Config, facts: Facts) -> Iterator[Resource]:
    """Want that of another release first: no component may be newer than the API server it asks.

    https://kubernetes.io/releases/version-skew-policy/
    """
    hosted, image = facts.cluster.hosted, facts.cluster.settings.release.images[apiserver.NAME]
    if facts.is_carried and hosted and hosted.image != image:
        for wanted in _api_server(facts):
            yield Object(wanted)


def plan(_config: Config, facts: Facts) -> Iterator[Resource]:
    """Want all of them, and the API's own Service, which an API server makes once at its start."""
    for wanted in everything(facts):
        yield _resource(wanted, facts)
    for wanted in api_service.everything(facts.cluster):
        yield Object(wanted, force=True)


def _resource(wanted: Wanted, facts: Facts) -> Object:
    match wanted["kind"]:
        case account.KIND:
            return Account(wanted)
        case "DaemonSet":
            return NodeDaemonSet(wanted, here=facts.host.node)
        case kind if kind in right.KINDS:
            return Right(wanted)
        case _:
            return Object(wanted)


def server_is_ready(_config: Config, facts: Facts) -> Iterator[Condition]:
    """Give the API server that serves a while to be Ready: then one that is to follow waits for it.

    The DaemonSet's controller ends a pod that is not, at once, where its template changes
    (https://kubernetes.io/docs/tasks/manage-daemon/update-daemon-set/, maxSurge).
    """
    if facts.is_carried:
        ready = conditions.pods_run(apiserver.LABELS, on=(facts.host.node,))
        yield replace(ready, timeout_s=READY_AGAIN_S, required=False)


CARRIED = Phase("carried", "waiting for the API server to be Ready", until=server_is_ready)
NEWER_API = Phase("newer-api", "applying the API server of another release", newer_api_server)
CONTROL_PLANE = Phase("control-plane", "applying control plane manifests", plan)
