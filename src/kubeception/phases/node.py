"""Wait for this host's node, and mark it as a control-plane node."""

from kubeception import conditions
from kubeception.engine import Phase
from kubeception.resources.node import ControlPlaneNode, KnownNode

REGISTERED = Phase(
    "registered",
    "waiting for kubelet to be registered",
    lambda _config, facts: [KnownNode(facts.node)],
    until=lambda _config, facts: [conditions.node_registered(facts.node)],
)
MARKED = Phase(
    "marked",
    "labeling node and setting taints",
    lambda _config, facts: [ControlPlaneNode(facts.node)],
)
