"""Bring up what is needed of the bootstrap control plane, where the hosted one can't carry on."""

from collections.abc import Iterator
from dataclasses import replace

from kubeception import conditions
from kubeception.conditions import Condition
from kubeception.config import Config
from kubeception.endpoints import BOOTSTRAP_PORT, LOOPBACK
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.render import apiserver, controllers, objects, revision
from kubeception.resources import Resource
from kubeception.resources.dead_lease import DeadLease
from kubeception.resources.door import Door
from kubeception.resources.file import File
from kubeception.resources.held_connections import HeldConnections
from kubeception.resources.hung_server import NoHungServer
from kubeception.resources.published_ca import PublishedCa
from kubeception.resources.stuck_webhooks import NoStuckWebhooks
from kubeception.resources.taken_up import TakenUp

# Pods that are bound to the host come back by themselves, and take a Lease that nobody holds.
GRACE_S = 8.0
# After that long it is looked at what keeps the bootstrap API server.
COMES_UP_S = 20.0


def manifest(config: Config, facts: Facts) -> File:
    """Return the bootstrap API server, as the kubelet finds it."""
    path = config.layout.kubelet.manifests / f"{apiserver.BOOTSTRAP_NAME}.yaml"
    return File(path, objects.document(revision.bootstrap_pod(facts)), mode=0o600)


def api(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want the bootstrap API server where it is needed, and nobody refused until it is there."""
    if not facts.needs_api:
        return
    if not facts.host.api_answers:
        yield NoHungServer()  # the kubelet would wait for what hangs before it starts another
    yield manifest(config, facts)
    if not facts.host.api_answers:
        # A client that is refused comes back ever later, and finds its API many seconds late.
        if facts.host.door:
            yield Door(0, facts.host.address, config.net.apiserver_ip)
        yield HeldConnections(LOOPBACK, is_open=True)
        yield HeldConnections(facts.host.address, is_open=True)


def first_api(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want it before all else, where there has been a cluster and all that it needs is there."""
    if facts.host.proven:
        yield from api(config, facts)


def api_comes_up(_config: Config, facts: Facts) -> Iterator[Condition]:
    """Give the bootstrap API server the time that it needs, where there is to be one."""
    if facts.needs_api:
        ready = conditions.apiserver_ready(BOOTSTRAP_PORT)
        yield replace(ready, timeout_s=COMES_UP_S, required=False)


def taken_up(_config: Config, facts: Facts) -> Iterator[Resource]:
    """Want the kubelet to have taken it up."""
    if facts.needs_api:
        yield TakenUp()


def api_is_ready(_config: Config, facts: Facts) -> Iterator[Condition]:
    """Wait for it."""
    if facts.needs_api:
        yield conditions.apiserver_ready(BOOTSTRAP_PORT)


def publish(_config: Config, facts: Facts) -> Iterator[Resource]:
    """Want pods to know it by the CA of today, before the door lets the kubelet see them."""
    if facts.needs_api:
        yield PublishedCa(BOOTSTRAP_PORT)


def turn(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want the door to lead to it; or, where only the door is gone, back to who is ready."""
    port = BOOTSTRAP_PORT if facts.needs_api else facts.host.ready
    if port:
        yield Door(port, facts.host.address, config.net.apiserver_ip)
        yield HeldConnections(LOOPBACK, is_open=False)


def namespaces_are_there(_config: Config, facts: Facts) -> Iterator[Condition]:
    """Wait for what the objects to come will lie in."""
    if facts.needs_api:
        yield conditions.namespace_there()


def free_leases(_config: Config, facts: Facts) -> Iterator[Resource]:
    """Want no Lease held by the dead, for whom the living would wait."""
    if facts.cluster.hosted and not facts.cluster.has_leaders:
        yield NoStuckWebhooks()  # or one of them would refuse all that follows
    for lease in facts.cluster.dead_leases:
        yield DeadLease(lease)


def hosted_controllers_lead(_config: Config, facts: Facts) -> Iterator[Condition]:
    """Give the hosted controllers a while to lead, where they come back, or one follows another."""
    if facts.cluster.dead_leases or (facts.cluster.hosted and not facts.cluster.has_leaders):
        for one in controllers.BOTH:
            yield conditions.somebody_leads(
                one.name, one.labels, on=facts.cluster.control_planes.keys(), timeout_s=GRACE_S
            )


def place_controllers(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want the controller-manager and the scheduler, where nobody leads.

    Placed before an API server answers, these two would crash into their back-off.
    """
    if not facts.needs_controllers:
        return
    manifests = config.layout.kubelet.manifests
    for controller in controllers.BOTH:
        pod = controllers.bootstrap_pod(controller, facts.cluster.settings)
        path = manifests / f"{controller.bootstrap_name}.yaml"
        yield File(path, objects.document(pod), mode=0o600)


FIRST_API = Phase("first-api", "placing the bootstrap apiserver", first_api)
BOOTSTRAP_START = Phase("bootstrap-start", "waiting for bootstrap apiserver", until=api_comes_up)
BOOTSTRAP_API = Phase(
    "bootstrap-api", "looking whether it was taken up", taken_up, until=api_is_ready
)
BOOTSTRAP_CA = Phase("bootstrap-ca", "publishing the CA of today", publish)
BOOTSTRAP_DOOR = Phase(
    "bootstrap-door",
    "pointing the kubelet to the bootstrap apiserver",
    turn,
    until=namespaces_are_there,
)
LEADERS = Phase(
    "leaders",
    "waiting for the hosted controllers to lead",
    free_leases,
    until=hosted_controllers_lead,
    is_of_others=True,
)
BOOTSTRAP_CONTROLLERS = Phase(
    "bootstrap-controllers",
    "placing bootstrap controller-manager and scheduler",
    place_controllers,
    is_of_others=True,
)
