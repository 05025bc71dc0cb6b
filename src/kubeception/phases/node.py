"""Wait for this host's node, and mark it as a control-plane node; no other one is this host's."""

from collections.abc import Iterator

from kubeception import conditions
from kubeception.config import Config
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.resources import Resource
from kubeception.resources.former_node import NoFormerNode
from kubeception.resources.node import ControlPlaneNode, KnownNode


def marked(_config: Config, facts: Facts) -> Iterator[Resource]:
    """Want its label and taint, and no Node by a name that this host gave up."""
    yield ControlPlaneNode(facts.host.node)
    if facts.host.remembered.former:
        yield NoFormerNode(facts.host.remembered.former)


REGISTERED = Phase(
    "registered",
    "waiting for kubelet to be registered",
    lambda _config, facts: [KnownNode(facts.host.node)],
    until=lambda _config, facts: [conditions.node_registered(facts.host.node)],
)
MARKED = Phase("marked", "labeling node and setting taints", marked)
