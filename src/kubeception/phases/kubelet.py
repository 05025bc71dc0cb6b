"""Run the kubelet; where the hosted API server can't carry the cluster, with the bootstrap one.

The kubelet never runs without a kubeconfig: one that has none kills the pods that it finds.
"""

from collections.abc import Iterator
from pathlib import Path

from kubeception import conditions
from kubeception.conditions import Condition
from kubeception.config import Config, flags
from kubeception.config.model import Cni
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.phases import bootstrap_plane
from kubeception.render import kubelet
from kubeception.resources import Resource
from kubeception.resources.file import File
from kubeception.resources.former_node import NoFormerNetwork
from kubeception.resources.unit import Unit


def plan(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want its settings, the bootstrap API server's manifest while needed, and the unit running."""
    at = config.layout
    yield File(at.kubelet.settings, kubelet.settings(config, facts.host))
    yield File(at.kubelet.environment, kubelet.environment(config, facts.host))
    if kubelet.UNIT not in facts.host.foreign_units:
        yield File(at.units / kubelet.UNIT, kubelet.unit(config))
    yield from bootstrap_plane.api(config, facts)
    if facts.host.remembered.former and config.net.cni is Cni.FLANNEL:
        yield NoFormerNetwork(facts.host.remembered.former)
    yield running(config)


def running(config: Config, *more: Path) -> Unit:
    """Want the unit running with its settings, and with what its flags name."""
    at = config.layout
    settings = (at.kubelet.settings, at.kubelet.environment, at.kubernetes.kubelet)
    named = (path for _, path in flags.brought("kubelet", config))
    return Unit(kubelet.UNIT, started_after=(*settings, *more, *named), keeps_running=True)


def until(_config: Config, _facts: Facts) -> Iterator[Condition]:
    """End when it runs."""
    yield conditions.unit_active(kubelet.UNIT)


KUBELET = Phase("kubelet", "configuring local kubelet", plan, until=until)
