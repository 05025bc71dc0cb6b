"""Wait until everything in the cluster is ready."""

from collections.abc import Iterator

from kubeception import conditions
from kubeception.conditions import Condition
from kubeception.config import Config
from kubeception.config.model import Cni
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.render import (
    apiserver,
    cluster_controller,
    controllers,
    coredns,
    flannel,
    join_service,
    proxy,
)

TIMEOUT_S = 60.0


def all_ready(config: Config, facts: Facts) -> Iterator[Condition]:
    """Yield what has to be rolled out, the node, and that the bootstrap API server has ended."""
    # A roll over several hosts takes minutes, and each host is told by its own server and door.
    daemonsets = [apiserver.NAME] * facts.cluster.is_single + [proxy.NAME]
    if config.net.cni is Cni.FLANNEL:
        daemonsets.append(flannel.NAME)
    deployments = [*(one.name for one in controllers.BOTH), coredns.NAME]
    deployments += [join_service.NAME, cluster_controller.NAME]
    for name in daemonsets:
        yield conditions.rolled_out("DaemonSet", name, here=facts.host.node)
    yield conditions.node_ready(facts.host.node)
    for name in deployments:
        yield conditions.rolled_out("Deployment", name, here=facts.host.node)
    yield conditions.pod_gone(f"{apiserver.BOOTSTRAP_NAME}-{facts.host.node}")


def until(config: Config, facts: Facts) -> Iterator[Condition]:
    """End when all hold, and somebody leads; what is late is named. Vain without an API server."""
    parts = list(all_ready(config, facts))
    # A Lease of somebody who was ended outlives him a while.
    parts += [conditions.lease_held(one.name) for one in controllers.BOTH]
    everything = conditions.all_of("everything to be ready", parts, timeout_s=TIMEOUT_S)
    yield conditions.unless_nobody_serves(everything)


ADDONS = Phase("add-ons", "waiting for add-ons", until=until)
