"""Set what the kernel has to allow, now and at every boot, and whose the pods' links are."""

from collections.abc import Iterator

from kubeception.config import Config
from kubeception.config.model import Cni
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.render import kernel, networkd
from kubeception.resources import Resource
from kubeception.resources.file import File
from kubeception.resources.kernel_value import VALUES, Forwarding
from kubeception.resources.reloaded import Reloaded
from kubeception.resources.unit import Unit


def plan(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want the module, where it is none of the kernel's own, and the settings.

    Whose file is the last one, the kernel goes by at each boot, so its values are wanted, too.
    """
    at = config.layout
    if not facts.host.has_bridge_netfilter:
        yield File(at.modules, kernel.modules())
        yield Unit(kernel.MODULES_UNIT, started_after=(at.modules,))
    yield File(at.sysctl, kernel.sysctl())
    yield Unit(kernel.SYSCTL_UNIT, started_after=(at.sysctl,))
    yield from VALUES
    yield Forwarding(facts.host.address)
    if facts.cluster.settings.net.cni is Cni.FLANNEL:
        yield File(at.networkd, networkd.unmanaged())
        yield Reloaded(networkd.UNIT, at.networkd, networkd.RELOAD)


KERNEL = Phase("kernel", "setting what the kernel has to allow", plan, module="host")
