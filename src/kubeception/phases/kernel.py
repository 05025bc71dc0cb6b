"""Set what the kernel has to allow, now and at every boot."""

from collections.abc import Iterator

from kubeception.config import Config
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.render import kernel
from kubeception.resources import Resource
from kubeception.resources.file import File
from kubeception.resources.kernel_value import VALUES, Forwarding
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


KERNEL = Phase("kernel", "setting what the kernel has to allow", plan, module="host")
