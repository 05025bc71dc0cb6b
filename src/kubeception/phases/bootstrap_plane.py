"""Bring up the bootstrap control plane, where the hosted one can't carry the cluster."""

from collections.abc import Iterator

from kubeception import conditions
from kubeception.conditions import Condition
from kubeception.config import Config
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.render import apiserver, controllers, objects
from kubeception.resources import Resource
from kubeception.resources.door import Door
from kubeception.resources.file import File


def api_is_ready(_config: Config, facts: Facts) -> Iterator[Condition]:
    """Wait for the bootstrap API server, where there is to be one."""
    if facts.needs_bootstrap:
        yield conditions.apiserver_ready(apiserver.BOOTSTRAP_PORT)


def plan(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want the door to lead to it, then the controller-manager and the scheduler.

    Placed before an API server answers, these two would crash into their back-off.
    """
    if not facts.needs_bootstrap:
        return
    yield Door(apiserver.BOOTSTRAP_PORT, facts.address, config.net.apiserver_ip)
    manifests = config.layout.kubelet.manifests
    for controller in controllers.BOTH:
        pod = controllers.bootstrap_pod(controller, config, facts)
        path = manifests / f"{controller.bootstrap_name}.yaml"
        yield File(path, objects.document(pod), mode=0o600)


def namespaces_are_there(_config: Config, facts: Facts) -> Iterator[Condition]:
    """Wait for what the objects to come will lie in."""
    if facts.needs_bootstrap:
        yield conditions.namespace_there()


BOOTSTRAP_API = Phase(
    "bootstrap-api",
    "waiting for bootstrap apiserver",
    lambda _config, _facts: (),
    after=api_is_ready,
)
BOOTSTRAP_PLANE = Phase(
    "bootstrap-plane",
    "pointing the kubelet to the bootstrap apiserver",
    plan,
    until=namespaces_are_there,
)
