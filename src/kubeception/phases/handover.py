"""Hand over: first to the hosted controllers; then, by the door, to the hosted API server.

The API server takes longest to start, and meanwhile the controllers change hands. Only where it is
of another release than the one that serves it goes first, and all else waits.
"""

from collections.abc import Iterator

from kubeception import conditions
from kubeception.conditions import Condition
from kubeception.config import Config
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.render import apiserver, controllers, revision
from kubeception.resources import Resource
from kubeception.resources.door import Door
from kubeception.resources.door_gate import DoorGate
from kubeception.resources.file import File
from kubeception.resources.held_connections import HeldConnections

# The door turns only to a server whose own port answered this often in a row.
STABLE = 10
LEASE_TIMEOUT_S = 20.0


def hosted_controllers_run(_config: Config, facts: Facts) -> Iterator[Condition]:
    """Wait for those who can take over, or nobody could ever bring the hosted ones back."""
    # A turn of the door is for a control plane that is whole.
    at_least = 1 if facts.host.door == facts.port else controllers.REPLICAS
    nodes = facts.cluster.control_planes.keys()
    for controller in controllers.BOTH:
        # Where the bootstrap ones lead, what was there may be why nobody else does.
        newest_of = controller.name if facts.needs_controllers else None
        they_run = conditions.pods_run(
            controller.labels, on=nodes, at_least=at_least, newest_of=newest_of
        )
        # Those who led when this run began may have ended since: there are no others then.
        yield they_run if newest_of else conditions.unless_nobody_leads(they_run, controller.name)


def retire_controllers(config: Config, _facts: Facts) -> Iterator[Resource]:
    """Want no bootstrap controller-manager and scheduler."""
    for controller in controllers.BOTH:
        yield File(config.layout.kubelet.manifests / f"{controller.bootstrap_name}.yaml", None)


def hosted_lead(_config: Config, facts: Facts) -> Iterator[Condition]:
    """Wait until the bootstrap ones have ended and others hold the Leases."""
    for controller in controllers.BOTH:
        yield conditions.pod_gone(f"{controller.bootstrap_name}-{facts.host.node}")
        yield conditions.lease_held(controller.name, timeout_s=LEASE_TIMEOUT_S)


def hosted_is_stable(_config: Config, facts: Facts) -> Iterator[Condition]:
    """Before a turn, wait for a stable hosted API server."""
    port = facts.port
    if facts.host.door == port:
        return
    stable = conditions.apiserver_ready(port, successes=STABLE)
    # One that was proven before may have restarted for other reasons, such as many boots.
    is_new = _is_unproven(facts)
    yield conditions.unless_it_crashes(stable, facts.host.node) if is_new else stable


def _is_unproven(facts: Facts) -> bool:
    """Tell whether it is another one than the last that was proven."""
    hosted, proven = facts.cluster.hosted, facts.host.proven
    return bool(hosted and proven and hosted.revision != proven.revision)


def turn(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want the door to lead to it."""
    yield Door(facts.port, facts.host.address, config.net.apiserver_ip)
    yield HeldConnections(facts.host.address, is_open=False)


def others_reach_it(_config: Config, facts: Facts) -> Iterator[Condition]:
    """Before the old one may go, see that whom it serves on other hosts reach the new one."""
    if facts.cluster.hosted and (facts.host.proven is None or _is_unproven(facts)):
        yield conditions.reached_by_others(facts.host.node, facts.port)


def mark(_config: Config, facts: Facts) -> Iterator[Resource]:
    """Want its pod to know, which lets the old one go."""
    yield DoorGate(facts.host.node, facts.port)


def newer_is_stable(config: Config, facts: Facts) -> Iterator[Condition]:
    """Before a turn to one of another release, wait for what a turn of the door waits for."""
    if _is_newer(facts):
        yield from hosted_controllers_run(config, facts)
        yield from hosted_is_stable(config, facts)


def turn_to_newer(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want the door to lead to it before anything asks for what only that one knows."""
    if _is_newer(facts):
        yield from turn(config, facts)


def others_reach_newer(config: Config, facts: Facts) -> Iterator[Condition]:
    """Before the old one may go, see the same of it."""
    if _is_newer(facts):
        yield from others_reach_it(config, facts)


def _is_newer(facts: Facts) -> bool:
    """Tell whether what is asked for is of another release than what serves, and as it should be.

    What else was asked for is about to be changed, and no reason to wait.
    """
    hosted, proven, before = facts.cluster.hosted, facts.host.proven, facts.cluster.copied
    if not facts.is_carried or hosted is None or facts.host.door == facts.port:
        return False
    wanted = apiserver.template_digest(facts.cluster.settings)
    known = {revision.image_of(dict(proven.template))} if proven else set[str]()
    # What was proven may be of the release that is gone back to, and not what serves.
    known |= {before.release.images[apiserver.NAME]} if before else set()
    return hosted.template == wanted and known != {hosted.image}


def retire_apiserver(config: Config, _facts: Facts) -> Iterator[Resource]:
    """Want no bootstrap API server."""
    yield File(config.layout.kubelet.manifests / f"{apiserver.BOOTSTRAP_NAME}.yaml", None)


NEWER_STABILITY = Phase(
    "newer-stability", "waiting for the API server that was asked for", until=newer_is_stable
)
NEWER_HANDOVER = Phase(
    "newer-handover", "pointing the door to it", turn_to_newer, until=others_reach_newer
)
HOSTED_CONTROLLERS = Phase(
    "hosted-controllers", "waiting for the hosted controllers", until=hosted_controllers_run
)
RETIRE_CONTROLLERS = Phase(
    "retire-controllers",
    "removing static manifests of controller-manager and scheduler",
    retire_controllers,
    until=hosted_lead,
)
STABILITY = Phase(
    "stability",
    "performing stability check for cluster apiserver",
    until=hosted_is_stable,
)
HANDOVER = Phase(
    "handover", "pointing the kubelet to the cluster apiserver", turn, until=others_reach_it
)
BEHIND_THE_DOOR = Phase("behind-the-door", "letting the apiserver before go", mark)
RETIRE_API = Phase("retire-api", "removing static manifests", retire_apiserver)
