"""Run the keeper; and what it does first after a boot, before the kubelet starts."""

from collections.abc import Iterator

from kubeception import conditions
from kubeception.conditions import Condition
from kubeception.config import Config
from kubeception.config.model import Cni
from kubeception.endpoints import BOOTSTRAP_PORT
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.phases import bootstrap_plane
from kubeception.render import keeper
from kubeception.resources import Resource
from kubeception.resources.door import Door
from kubeception.resources.file import File
from kubeception.resources.image_root import ImageRoot, NoOtherImageRoot
from kubeception.resources.unit import Unit


def plan(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want its unit, running and enabled; what it runs from, where a container brings that."""
    at = config.layout
    if config.net.cni is Cni.FLANNEL:
        yield File(at.tmpfiles, keeper.volatile(config))
    if facts.host.image:
        yield ImageRoot(at.image(facts.host.image))
    yield File(at.units / keeper.UNIT, keeper.unit(config, facts.host))
    if facts.host.image:
        yield Unit(keeper.UNIT)  # another image is another unit file
        yield NoOtherImageRoot(at.image(facts.host.image))
    else:
        yield Unit(keeper.UNIT, started_after=(at.bundle,))


def until(_config: Config, _facts: Facts) -> Iterator[Condition]:
    """End when it runs."""
    yield conditions.unit_active(keeper.UNIT)


def first_api(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want the bootstrap API server, and the door leading to it; nothing hosted can be alive."""
    yield bootstrap_plane.manifest(config, facts)
    yield Door(BOOTSTRAP_PORT, facts.host.address, config.net.apiserver_ip)


KEEPER = Phase("keeper", "starting the keeper", plan, until=until, module="keeper")
BOOT = Phase("boot", "placing the bootstrap apiserver after a boot", first_api, module="keeper")
