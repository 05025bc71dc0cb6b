"""Run the container runtime, with every image in it; nothing is ever pulled."""

from collections.abc import Iterator

from kubeception import conditions
from kubeception.conditions import Condition
from kubeception.config import Config
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.render import containerd
from kubeception.resources import Resource
from kubeception.resources.file import File
from kubeception.resources.image import ImportedImage
from kubeception.resources.unit import Unit


def plan(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want containerd, ours where the host has none, and the bundle's images in it."""
    at = config.layout
    yield File(at.crictl, containerd.crictl(config), if_ours=True)
    if containerd.UNIT in facts.host.foreign_units:
        yield Unit(containerd.UNIT)
    else:
        yield File(at.containerd.settings, containerd.settings(config, facts.host))
        yield File(at.units / containerd.UNIT, containerd.unit(config))
        settings = (at.containerd.settings,)
        yield Unit(containerd.UNIT, started_after=settings, keeps_running=True)
    for component, archive in facts.host.archives.items():
        yield ImportedImage(facts.host.release.images[component], archive)


def until(_config: Config, _facts: Facts) -> Iterator[Condition]:
    """End when it runs."""
    yield conditions.unit_active(containerd.UNIT)


RUNTIME = Phase("runtime", "starting the container runtime", plan, until=until, module="runtime")
