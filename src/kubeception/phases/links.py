"""Keep who configures the host's links off those of pods: systemd-networkd, NetworkManager."""

from collections.abc import Iterator

from kubeception.config import Config
from kubeception.config.model import Cni
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.render import network_manager, networkd
from kubeception.resources import Resource
from kubeception.resources.file import File
from kubeception.resources.pod_bridge import PodBridge
from kubeception.resources.reloaded import Reloaded


def plan(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want them to know that they are none of their own, before there is one."""
    if facts.cluster.settings.net.cni is not Cni.FLANNEL:
        return
    at = config.layout
    yield File(at.networkd, networkd.unmanaged())
    yield Reloaded(networkd.UNIT, at.networkd, networkd.RELOAD)
    if facts.host.has_network_manager:
        yield File(at.network_manager, network_manager.unmanaged())
        yield Reloaded(network_manager.UNIT, at.network_manager, network_manager.RELOAD)
        # What it has taken before, or no pod of this host is reached while add-ons are waited for:
        # the keeper, which sees to it otherwise, stands back from a run.
        yield PodBridge()


LINKS = Phase("links", "keeping others off the links of pods", plan, module="host")
