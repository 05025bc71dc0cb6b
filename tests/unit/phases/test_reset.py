"""What a reset wants gone is what a bootstrap wants there, whatever that comes to be."""

from collections.abc import Iterator

import pytest
from tests.fixed import CONFIG, FACTS, MEMBER, on_host

from kubeception.config import Config
from kubeception.config.model import Cni, Net
from kubeception.phases import pki, reset
from kubeception.resources import Resource
from kubeception.resources.absent import NoFolder, NoTable, NoUnit, StoppedUnit, WhereOurs
from kubeception.resources.door import NO_DOOR
from kubeception.resources.file import File
from kubeception.resources.keypair import KeyPair, ServiceAccountKey
from kubeception.resources.kubelet_serving import ServingCas
from kubeception.resources.unit import Unit
from kubeception.workflows import BOOTSTRAP, joining

ALL = on_host(has_bridge_netfilter=False, has_network_manager=True)


def wanted() -> list[Resource]:
    return [one for phase in BOOTSTRAP for one in phase.plan(CONFIG, ALL)]


def undone(
    *,
    etcd: bool = True,
    pki: bool = True,
    config: Config = CONFIG,
    foreign: frozenset[str] = frozenset(),
) -> list[Resource]:
    facts = on_host(foreign_units=foreign)
    phases = reset.phases(BOOTSTRAP, etcds=etcd, pkis=pki)
    return [bare(one) for phase in phases for one in phase.plan(config, facts)]


def bare(one: Resource) -> Resource:
    return one.wanted if isinstance(one, WhereOurs) else one


def secrets() -> Iterator[str]:
    for one in wanted():
        match one:
            case KeyPair(entry):
                yield from (str(entry.at.key), str(entry.at.certificate))
            case ServiceAccountKey(key, public):
                yield from (str(key), str(public))
            case ServingCas(path):
                yield str(path)
            case _:
                pass


def test_every_file_and_unit_of_a_bootstrap_goes() -> None:
    gone = {one.path for one in undone() if isinstance(one, File)}
    gone |= {one.file for one in undone() if isinstance(one, NoUnit)}

    assert gone >= {one.path for one in wanted() if isinstance(one, File)}
    assert NO_DOOR in undone()
    units = {CONFIG.layout.units / one.name for one in wanted() if isinstance(one, Unit)}
    ours = {one.path for one in wanted() if isinstance(one, File)}
    assert units & ours <= {one.file for one in undone() if isinstance(one, NoUnit)}


def test_only_a_file_that_is_ours_goes_or_one_that_only_we_make() -> None:
    plugin = CONFIG.layout.cni.settings / "10-flannel.conflist"
    others = {
        str(one.path)
        for one in undone()
        if isinstance(one, File) and not one.if_ours and one.path != plugin
    }

    at = CONFIG.layout
    records = {at.member, at.progress, at.cluster, at.default_roles}
    assert others == {*secrets(), *map(str, records)}


def test_what_programs_made_goes_only_from_a_host_of_ours() -> None:
    phases = reset.phases(BOOTSTRAP, etcds=True, pkis=True)
    every = [one for phase in phases for one in phase.plan(CONFIG, FACTS)]
    at = CONFIG.layout
    named = {str(NO_DOOR), str(at.keeper), str(at.revisions)}
    copies = {str(one) for one in pki.copies(FACTS)}
    assert copies < {str(one) for one in every}

    for one in every:
        alone = isinstance(one, StoppedUnit | NoTable | NoFolder) and str(one) not in named | copies
        assert not alone or (isinstance(one, NoFolder) and one.if_empty), one


def test_certificates_and_etcd_stay_unless_asked_for() -> None:
    kept = undone(etcd=False, pki=False)

    assert not {str(one) for one in kept} & set(secrets())
    assert not [one for one in kept if "etcd.service" in str(one) or "default.etcd" in str(one)]
    assert File(CONFIG.layout.etcd.environment, None, if_ours=True) not in kept
    assert File(CONFIG.layout.kubernetes.admin, None, if_ours=True) in kept


def test_etcd_stops_when_its_certificates_go_and_keeps_its_data() -> None:
    names = [str(one) for one in undone(etcd=False, pki=True)]

    assert StoppedUnit("etcd.service") in undone(etcd=False, pki=True)
    assert str(CONFIG.layout.etcd.data) not in names


def test_what_tells_a_host_to_be_ours_goes_after_what_hangs_on_it() -> None:
    phases = list(reset.phases(BOOTSTRAP, etcds=True, pkis=True))
    every = [one for phase in phases for one in phase.plan(CONFIG, FACTS)]
    gone = {one.path: n for n, one in enumerate(map(bare, every)) if isinstance(one, File)}

    for n, one in enumerate(every):
        assert not isinstance(one, WhereOurs) or n <= gone[one.sign], one


@pytest.mark.parametrize("unit", ["etcd.service", "containerd.service", "kubelet.service"])
def test_a_unit_of_the_hosts_own_is_never_removed(unit: str) -> None:
    gone = undone(foreign=frozenset({unit}))

    assert unit not in {one.name for one in gone if isinstance(one, NoUnit)}
    assert CONFIG.layout.units / unit not in {one.path for one in gone if isinstance(one, File)}


def test_whoever_brought_a_network_keeps_it() -> None:
    gone = undone(config=Config(net=Net(cni=Cni.NONE)))

    assert not [one for one in gone if "flannel" in str(one) or "cni" in str(one)]


def test_a_worker_keeps_nothing_of_what_its_join_made() -> None:
    facts = on_host(node="w1", membership=MEMBER, has_bridge_netfilter=False)
    at = CONFIG.layout
    phases = list(reset.phases(joining(None), etcds=False, pkis=False))
    every = [one for phase in phases for one in phase.plan(CONFIG, facts)]
    made = [one for phase in joining(None) for one in phase.plan(CONFIG, facts)]
    gone = [bare(one) for one in every]
    files = [one.path for one in gone if isinstance(one, File)]

    assert {one.path for one in made if isinstance(one, File)} <= {
        *files,
        *(one.file for one in gone if isinstance(one, NoUnit)),
    }
    assert {at.pki.ca.certificate, at.kubelet.join_key, at.membership} <= set(files)
    assert at.kubelet.pki in {one.path for one in gone if isinstance(one, NoFolder)}
    # A run that is killed before this is still one on a worker.
    last = files.index(at.membership)
    assert all(
        not isinstance(one, WhereOurs) or one.sign != at.membership
        for one in every[every.index(File(at.membership, None)) :]
    )
    assert last > files.index(at.pki.ca.certificate)
