"""Run this host's etcd member."""

from collections.abc import Iterator

from kubeception import conditions
from kubeception.conditions import Condition
from kubeception.config import Config
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.render import etcd
from kubeception.resources import Resource
from kubeception.resources.file import File
from kubeception.resources.unit import Unit


def plan(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want its settings, and the unit running with them."""
    at = config.layout
    yield File(at.etcd.environment, etcd.environment(config, facts), mode=0o640)
    if etcd.UNIT not in facts.foreign_units:
        yield File(at.units / etcd.UNIT, etcd.unit(config))
    # etcd reads these files only when it starts, so a newer one means a restart. Certificates it
    # reads anew for each connection.
    yield Unit(etcd.UNIT, started_after=(at.etcd.environment, at.pki.etcd_ca.certificate))


def until(_config: Config, _facts: Facts) -> Iterator[Condition]:
    """End when it serves."""
    yield conditions.etcd_serves()


ETCD = Phase("etcd", "bootstrapping", plan, until=until, module="etcd")
