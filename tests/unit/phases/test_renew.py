"""What renewing wants: leaves, and who reads them only once started anew."""

from datetime import timedelta

import pytest
from tests.fixed import CONFIG, FACTS, HOST

from kubeception import workflows
from kubeception.engine import Phase
from kubeception.phases import pki, renew
from kubeception.phases.bootstrap_plane import FIRST_API
from kubeception.phases.keeper import BOOT
from kubeception.phases.kubelet import KUBELET
from kubeception.phases.pki import PKI
from kubeception.phases.serving import SERVING
from kubeception.pki import catalog
from kubeception.pki.catalog import Read
from kubeception.render import controllers, join_service
from kubeception.resources.fresh import FreshContainer, FreshUnit
from kubeception.resources.keypair import InItsTime, KeyPair
from kubeception.resources.kubelet_client import KubeletClient, LiveKubeletClient
from kubeception.resources.pod_folder import PodFolder

LEAVES = [entry for entry, _ in catalog.leaves(CONFIG, HOST.node, HOST.address)]


def wanted(*asked: str) -> dict[str, timedelta]:
    """Return what is wanted for how long at least, by its name."""
    phase, _ = renew.renewed(frozenset(asked))
    return {
        catalog.KUBELETS_OWN
        if isinstance(one, KubeletClient)
        else catalog.name(CONFIG.layout.pki, one.entry.at): one.at_least
        for one in phase.plan(CONFIG, FACTS)
        if isinstance(one, KeyPair | KubeletClient)
    }


def test_without_names_all_leaves_are_wanted_for_a_month_and_no_ca() -> None:
    found = wanted()

    assert list(found) == [*catalog.names(CONFIG), catalog.KUBELETS_OWN]
    # The kubelet renews its own in time.
    assert found.pop(catalog.KUBELETS_OWN) == timedelta(0)
    assert set(found.values()) == {timedelta(days=30)}


def test_what_is_asked_for_is_wanted_new_and_nothing_else_is() -> None:
    found = wanted("apiserver", "etcd/peer", catalog.KUBELETS_OWN)

    assert list(found) == ["apiserver", "etcd/peer", catalog.KUBELETS_OWN]
    assert all(timedelta(days=364) < left < timedelta(days=365) for left in found.values())


def test_with_all_of_them_the_kubelets_own_is_mended_only() -> None:
    found = wanted(*catalog.names(CONFIG))

    assert found.pop(catalog.KUBELETS_OWN) == timedelta(0)
    assert list(found) == catalog.names(CONFIG)
    assert all(left > timedelta(days=364) for left in found.values())


def test_who_reads_a_certificate_at_its_start_is_started_after_it() -> None:
    once = {entry.at.certificate for entry in LEAVES if entry.read is Read.AT_START}
    files = {
        path
        for one in renew.reread(CONFIG, FACTS)
        if isinstance(one, FreshUnit | FreshContainer)
        for path in one.started_after
    }

    assert once < files
    # What pods read are their copies, which are made a moment later.
    pki, settings = CONFIG.layout.pki, FACTS.cluster.settings
    manager = controllers.folder(controllers.CONTROLLER_MANAGER, settings)
    ca, copy = pki.ca.certificate, join_service.folder(settings).copy(pki.join.certificate)
    assert files - once == {CONFIG.layout.kubelet.reissued_client, copy, ca, manager.copy(ca)}


@pytest.mark.parametrize(
    "phase",
    [
        *(renew.EXPIRED, PKI, SERVING),
        *(renew.renewed(frozenset())[0], renew.renewed(frozenset({"scheduler"}))[0]),
    ],
    ids=lambda phase: phase.title,
)
def test_whoever_makes_a_certificate_or_a_kubeconfig_brings_the_copies_up_to_date(
    phase: Phase,
) -> None:
    *before, last = [*phase.plan(CONFIG, FACTS)][-len([*pki.copies(FACTS)]) - 1 :]

    assert [*before[1:], last] == [*pki.copies(FACTS)]
    assert not isinstance(before[0], PodFolder)


def test_nothing_else_makes_what_is_copied() -> None:
    """A phase that does has to say so above."""
    sources = {path for one in pki.copies(FACTS) for path in one.started_after}
    makers = {
        phase.name
        for phase in (*workflows.RECOVER, BOOT)
        for one in phase.plan(CONFIG, FACTS)
        for pair in [getattr(one, "pair", one)]
        for path in (getattr(pair, "path", None), getattr(getattr(pair, "entry", None), "at", None))
        if {path, getattr(path, "certificate", path)} & sources
    }

    assert makers == {renew.EXPIRED.name, PKI.name, SERVING.name}


def test_whatever_has_expired_is_renewed_before_an_api_server_is_started() -> None:
    order = workflows.BOOTSTRAP
    found = list(renew.expired(CONFIG, FACTS))

    assert order.index(renew.EXPIRED) < order.index(FIRST_API) < order.index(PKI)
    assert order.index(KUBELET) < order.index(renew.REREAD)
    assert [one.pair.entry for one in found if isinstance(one, InItsTime)] == LEAVES
    assert isinstance(found[len(LEAVES)], LiveKubeletClient)


def test_a_bootstrap_wants_leaves_for_a_month_and_asks_no_ca() -> None:
    pairs = [one for one in PKI.plan(CONFIG, FACTS) if isinstance(one, KeyPair)]

    assert {one.at_least for one in pairs if one.entry.issuer} == {catalog.RENEWED_WITHIN}
    assert {one.at_least for one in pairs if one.entry.issuer is None} == {timedelta(0)}
