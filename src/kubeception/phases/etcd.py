"""Run this host's etcd member, and remember whose it is beside its data."""

from collections.abc import Iterator

from kubeception import conditions
from kubeception.conditions import Condition
from kubeception.config import Config, flags
from kubeception.engine import Phase
from kubeception.facts import Facts, Identity
from kubeception.kept import identity
from kubeception.render import etcd
from kubeception.resources import Resource
from kubeception.resources.file import File
from kubeception.resources.image_root import ImageRoot
from kubeception.resources.own_data import OwnData
from kubeception.resources.settled import Settled
from kubeception.resources.unit import Unit


def plan(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want the record of this host, then its settings, and the unit running with them."""
    at = config.layout
    yield from _remembering(config, facts, facts.host.remembered)
    yield File(at.etcdctl, etcd.client_environment(config), if_ours=True)
    if etcd.UNIT not in facts.host.foreign_units:
        if facts.host.image:  # its guard runs in it
            yield ImageRoot(at.image(facts.host.image))
        yield File(at.units / etcd.UNIT, etcd.unit(config, facts.host))
    # etcd reads its CA only when it starts, so a newer one means a restart, as other settings do.
    # Certificates it reads anew for each connection.
    named = (path for _, path in flags.brought("etcd", config))
    yield Unit(etcd.UNIT, started_after=(at.pki.etcd_ca.certificate, *named), keeps_running=True)
    yield Settled(
        etcd.UNIT,
        at.etcd.environment,
        but=(etcd.FIRST_START, etcd.DATA_DIR),
        # What a unit of the host's own gives it besides can't be told from what we gave it before.
        prefix="" if etcd.UNIT in facts.host.foreign_units else etcd.PREFIX,
    )


def member(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want the same once there are data, and these to be of the cluster whose keys are here."""
    # Etcd's settings, the shorter copy, know the data but not the keys.
    yield OwnData(
        is_known=facts.host.identity is not None and bool(facts.host.identity.authorities)
    )
    yield from _remembering(config, facts, facts.host.remembered_with_keys)


def _remembering(config: Config, facts: Facts, known: Identity) -> Iterator[Resource]:
    at = config.layout
    yield File(at.member, identity.text(known), mode=0o600)
    yield File(at.etcd.environment, etcd.environment(config, facts.host), mode=0o640)


def until(_config: Config, _facts: Facts) -> Iterator[Condition]:
    """End when it serves."""
    yield conditions.etcd_serves()


MEMBER = Phase("member", "remembering whose data these are", member, module="etcd")
ETCD = Phase("etcd", "bootstrapping", plan, until=until, module="etcd")
