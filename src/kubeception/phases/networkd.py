"""Keep systemd-networkd, where it has the host's network, off the links of pods."""

from collections.abc import Iterator

from kubeception.config import Config
from kubeception.config.model import Cni
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.render import networkd
from kubeception.resources import Resource
from kubeception.resources.file import File
from kubeception.resources.reloaded import Reloaded


def plan(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want it to know that they are none of its own, before there is one."""
    at = config.layout.networkd
    if facts.cluster.settings.net.cni is Cni.FLANNEL:
        yield File(at, networkd.unmanaged())
        yield Reloaded(networkd.UNIT, at, networkd.RELOAD)


NETWORKD = Phase("networkd", "keeping networkd off the links of pods", plan, module="host")
