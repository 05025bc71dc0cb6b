"""Kubelets are known by a CA of their own; the cluster's is trusted too for whom it has signed."""

from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs
from tests.fixed import CONFIG, FACTS, HOST, NOW
from tests.unit.sessions import keys_and_certificates, session_of

from kubeception.config.model import ControllerManager
from kubeception.host import files
from kubeception.layout import Pair
from kubeception.phases import serving
from kubeception.pki import catalog, issue
from kubeception.resources.keypair import ByItsCa, KeyPair
from kubeception.resources.kubelet_serving import ServingCas
from kubeception.session import Session

AT = CONFIG.layout.pki
CA, OWN, SERVER = AT.ca, AT.kubelet_serving_ca, AT.kubelet_server


def pairs() -> dict[Pair, KeyPair]:
    plan = keys_and_certificates()
    return {wanted.entry.at: wanted for wanted in plan if isinstance(wanted, KeyPair)}


def of_before(session: Session) -> None:
    """Make what a version without the CA has made: all but it, its leaf by the cluster's CA."""
    for wanted in pairs().values():
        if wanted.entry.at == SERVER:
            wanted = KeyPair(replace(wanted.entry, issuer=CA), wanted.algorithm)
        if wanted.entry.at != OWN:
            wanted.apply(session)


def bootstrapped(session: Session) -> None:
    for wanted in keys_and_certificates():
        if wanted.drift(session):
            wanted.apply(session)


def finished(session: Session) -> list[str]:
    """Do what bootstrap does once the API server knows kubelets by the file; say what changed."""
    [signed] = [one for one in serving.plan(CONFIG, FACTS) if isinstance(one, ByItsCa)]
    if signed.drift(session) is None:
        return []
    signed.apply(session)
    return [str(signed)]


def trusted(session: Session) -> list[str]:
    found = session.host.at(AT.kubelet_serving_cas).read_bytes()
    return [issue.issuer(pem) for pem in issue.certificates(found)]


def signer(session: Session) -> str:
    return issue.issuer(session.host.at(SERVER.certificate).read_bytes())


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return session_of(tmp_path)


def test_a_new_cluster_trusts_their_own_ca_alone(session: Session) -> None:
    bootstrapped(session)

    assert trusted(session) == [signer(session)] == ["kubelet-serving-ca"]
    assert not finished(session)


def test_an_earlier_cluster_trusts_both_and_serves_on_by_what_it_has(session: Session) -> None:
    of_before(session)
    served = session.host.at(SERVER.certificate).read_bytes()

    bootstrapped(session)

    assert trusted(session) == ["kubelet-serving-ca", "kubernetes"]
    assert session.host.at(SERVER.certificate).read_bytes() == served
    assert [str(one) for one in keys_and_certificates() if one.drift(session)] == []


def test_once_its_api_server_knows_the_ca_its_own_kubelet_serves_by_it(session: Session) -> None:
    of_before(session)
    bootstrapped(session)
    key = session.host.at(SERVER.key).read_bytes()

    assert finished(session) == [str(SERVER.certificate)]

    assert signer(session) == "kubelet-serving-ca"
    assert session.host.at(SERVER.key).read_bytes() == key
    assert not finished(session)
    # Workers still serve by what the cluster's CA has signed.
    bootstrapped(session)
    assert trusted(session) == ["kubelet-serving-ca", "kubernetes"]


def test_a_leaf_that_has_to_be_issued_anew_before_hides_no_earlier_cluster(
    session: Session,
) -> None:
    of_before(session)
    [entry] = [
        one
        for one in catalog.entries(CONFIG, HOST.node, HOST.address)
        if one.at == AT.kubelet_server
    ]
    short = replace(entry, issuer=CA, spec=replace(entry.spec, lifetime=catalog.RENEWED_WITHIN / 2))
    session.host.at(SERVER.certificate).unlink()
    KeyPair(short, CONFIG.certificates.key_algorithm).apply(session)

    bootstrapped(session)

    assert signer(session) == "kubelet-serving-ca"
    assert trusted(session) == ["kubelet-serving-ca", "kubernetes"]


def test_another_ca_of_theirs_takes_the_place_of_the_one_before(session: Session) -> None:
    bootstrapped(session)
    before = session.host.at(AT.kubelet_serving_cas).read_bytes()
    entry, key = pairs()[OWN].entry, issue.new_key(CONFIG.certificates.key_algorithm)
    files.write(session.host.at(OWN.key), key)
    another = issue.certificate(entry.spec, key, signer=None, now=NOW)
    files.write(session.host.at(OWN.certificate), another)

    [cas] = [one for one in keys_and_certificates() if isinstance(one, ServingCas)]
    assert cas.drift(session) == "has other CAs"
    cas.apply(session)

    assert trusted(session) == ["kubelet-serving-ca"]
    assert session.host.at(AT.kubelet_serving_cas).read_bytes() != before


def test_what_is_missing_is_left_to_who_makes_it(session: Session) -> None:
    assert not finished(session)


def test_who_has_another_ca_sign_what_kubelets_serve_with_publishes_it_himself() -> None:
    asked = {"cluster-signing-kubelet-serving-cert-file": "/etc/kubernetes/pki/mine.crt"}
    theirs = structs.replace(CONFIG, controller_manager=ControllerManager(extra_args=asked))
    published = serving.published(CONFIG)

    assert published in serving.plan(CONFIG, FACTS)
    assert published not in serving.plan(theirs, FACTS)
