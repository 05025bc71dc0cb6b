"""Apply the hosted control plane, the add-ons and kubeception itself."""

from collections.abc import Iterator

from kubeception.config import Config
from kubeception.config.model import Cni
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.render import (
    access,
    api_service,
    apiserver,
    cluster_controller,
    controllers,
    coredns,
    flannel,
    join_service,
    keeper,
    proxy,
)
from kubeception.render.objects import Object as Wanted
from kubeception.resources import Resource
from kubeception.resources.object import Object


def everything(config: Config, facts: Facts) -> Iterator[Wanted]:
    """Yield every object that we manage, the ones that others wait for first."""
    yield from access.bindings()
    # Settings whose revision was put back are not tried again until somebody changes them.
    if facts.refused != apiserver.template_digest(config, facts):
        yield apiserver.daemonset(config, facts)
    for controller in controllers.BOTH:
        yield controllers.deployment(controller, config, facts)
    if config.net.cni is Cni.FLANNEL:
        yield from flannel.everything(config, facts)
    yield from proxy.everything(config, facts)
    yield from coredns.everything(config, facts)
    yield from join_service.everything(config, facts)
    yield from cluster_controller.everything(config, facts)
    yield from keeper.everything()
    for controller in controllers.BOTH:
        yield controllers.disruption_budget(controller)


def plan(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want all of them, and the API's own Service, which an API server makes once at its start."""
    for wanted in everything(config, facts):
        yield Object(wanted)
    for wanted in api_service.everything(config, facts):
        yield Object(wanted, force=True)


CONTROL_PLANE = Phase("control-plane", "applying control plane manifests", plan)
