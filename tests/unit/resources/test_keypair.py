"""What is there and good is never touched; a CA and a broken key are never replaced."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.fixed import CONFIG, HOST
from tests.unit.sessions import Hands, session_of

from kubeception.config.model import KeyAlgorithm
from kubeception.errors import KubeceptionError, PreflightError
from kubeception.facts import Accept
from kubeception.host import files
from kubeception.layout import Pair
from kubeception.pki import catalog, issue
from kubeception.resources.keypair import InItsTime, KeyPair, ServiceAccountKey
from kubeception.session import Session

AT = CONFIG.layout.pki
P256 = KeyAlgorithm.ECDSA_P256
TABLE = {
    entry.at: KeyPair(entry, P256) for entry in catalog.entries(CONFIG, HOST.node, HOST.address)
}
CA, APISERVER = TABLE[AT.ca], TABLE[AT.apiserver]
SERVICE_ACCOUNT = ServiceAccountKey(AT.service_account_key, AT.service_account_public, P256)


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def session(tmp_path: Path, hands: Hands) -> Session:
    """A host with a cluster CA and an API server's certificate."""
    session = session_of(tmp_path, hands=hands)
    CA.apply(session)
    APISERVER.apply(session)
    return session


def content(session: Session, pair: Pair) -> tuple[bytes, bytes]:
    certificate, key = session.host.at(pair.certificate), session.host.at(pair.key)
    return certificate.read_bytes(), key.read_bytes()


def test_every_row_is_made_from_nothing_and_then_left_alone(tmp_path: Path) -> None:
    session = session_of(tmp_path)

    for wanted in TABLE.values():
        assert wanted.drift(session) == "missing"
        wanted.apply(session)
    assert [wanted.drift(session) for wanted in TABLE.values()] == [None] * len(TABLE)


def test_keys_are_for_root_alone_and_certificates_for_all(session: Session) -> None:
    SERVICE_ACCOUNT.apply(session)

    for private in (AT.ca.key, AT.apiserver.key, AT.service_account_key):
        assert files.mode_of(session.host.at(private)) == 0o600
    for public in (AT.ca.certificate, AT.apiserver.certificate, AT.service_account_public):
        assert files.mode_of(session.host.at(public)) == 0o644


def test_a_key_that_is_somebody_elses_is_given_to_whom_it_belongs(session: Session) -> None:
    me = os.getuid()
    before = content(session, AT.apiserver)

    assert replace(APISERVER, uid=me).drift(session) is None
    said = replace(APISERVER, uid=me + 1).drift(session)
    assert said == f"its key belongs to user {me}, not {me + 1}"
    replace(APISERVER, uid=me).apply(session)
    assert content(session, AT.apiserver) == before


def test_an_expired_leaf_is_issued_anew_for_the_same_key(session: Session, hands: Hands) -> None:
    certificate, key = content(session, AT.apiserver)
    hands.sleep(timedelta(days=366).total_seconds())

    assert APISERVER.drift(session) == "expired on 2027-03-01"
    APISERVER.apply(session)

    assert APISERVER.drift(session) is None
    renewed, same_key = content(session, AT.apiserver)
    assert renewed != certificate and same_key == key


def test_a_leaf_is_issued_anew_when_it_should_say_more(session: Session) -> None:
    _, key = content(session, AT.apiserver)
    spec = replace(APISERVER.entry.spec, dns_names=("cp1", "api.example.com"))
    wanted = replace(APISERVER, entry=replace(APISERVER.entry, spec=spec))

    assert wanted.drift(session) == "does not name api.example.com"
    wanted.apply(session)
    assert wanted.drift(session) is None
    assert content(session, AT.apiserver)[1] == key


def test_a_leaf_without_its_key_gets_a_new_pair(session: Session) -> None:
    session.host.at(AT.apiserver.key).unlink()

    assert APISERVER.drift(session) == "its key is missing"
    APISERVER.apply(session)
    assert APISERVER.drift(session) is None


def test_a_pair_that_was_brought_along_is_kept(tmp_path: Path) -> None:
    """RSA where new keys are ECDSA, another lifetime, more names: all fine."""
    session = session_of(tmp_path)
    ca_key, key = (issue.new_key(KeyAlgorithm.RSA_2048) for _ in range(2))
    now = session.host.clock.now()
    root = issue.certificate(CA.entry.spec, ca_key, signer=None, now=now)
    spec = replace(
        APISERVER.entry.spec,
        dns_names=(*APISERVER.entry.spec.dns_names, "more.example.com"),
        lifetime=timedelta(days=30),
    )
    leaf = issue.certificate(spec, key, signer=issue.Signer(root, ca_key), now=now)
    for pair, parts in ((AT.ca, (root, ca_key)), (AT.apiserver, (leaf, key))):
        files.write(session.host.at(pair.certificate), parts[0])
        files.write(session.host.at(pair.key), parts[1], mode=0o600)

    assert (CA.drift(session), APISERVER.drift(session)) == (None, None)


SPOILT: dict[str, Callable[[Session, Hands], None]] = {
    "junk": lambda session, _: files.write(session.host.at(AT.ca.certificate), "junk"),
    "another key": lambda session, _: files.write(session.host.at(AT.ca.key), issue.new_key(P256)),
    "expired": lambda _, hands: hands.sleep(timedelta(days=3651).total_seconds()),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=list(SPOILT))
def test_a_bad_ca_is_never_replaced(
    spoil: Callable[[Session, Hands], None], session: Session, hands: Hands
) -> None:
    spoil(session, hands)
    before = content(session, AT.ca)

    problem = CA.drift(session)
    assert problem
    with pytest.raises(KubeceptionError, match=problem) as caught:
        CA.apply(session)
    said = "sign it anew" if "expired" in problem else "never replaced"
    assert any(said in line for line in caught.value.lines())
    assert content(session, AT.ca) == before


def test_a_ca_whose_key_is_elsewhere_is_fine_while_its_leaves_are(session: Session) -> None:
    session.host.at(AT.ca.key).unlink()

    assert (CA.drift(session), APISERVER.drift(session)) == (None, None)


def test_a_leaf_that_lacks_its_cas_key_says_which_one(session: Session) -> None:
    session.host.at(AT.ca.key).unlink()
    session.host.at(AT.apiserver.certificate).unlink()

    with pytest.raises(KubeceptionError, match="its CA's key is not on this host") as caught:
        APISERVER.apply(session)
    assert caught.value.hint and str(AT.ca.key) in caught.value.hint


@pytest.mark.parametrize("pair", [AT.ca, AT.apiserver], ids=["ca", "leaf"])
def test_a_key_that_is_none_is_never_replaced(pair: Pair, session: Session) -> None:
    files.write(session.host.at(pair.key), "junk", mode=0o600)

    assert TABLE[pair].drift(session) == "its key is no private key"
    with pytest.raises(KubeceptionError, match="is no private key"):
        TABLE[pair].apply(session)
    assert session.host.at(pair.key).read_text() == "junk"


def test_a_leaf_of_another_ca_is_issued_anew(session: Session) -> None:
    for part in (AT.ca.certificate, AT.ca.key):
        session.host.at(part).unlink()
    with pytest.raises(PreflightError, match=r"is missing, while .*apiserver\.crt"):
        CA.apply(session)
    session.accepted = frozenset({Accept.NEW_CA})
    CA.apply(session)

    assert APISERVER.drift(session) == "is not signed by its CA"
    APISERVER.apply(session)
    assert APISERVER.drift(session) is None


def test_the_service_account_keys_public_half_follows_it(session: Session) -> None:
    SERVICE_ACCOUNT.apply(session)
    key = session.host.at(AT.service_account_key).read_bytes()

    for spoil in ("junk", None):
        public = session.host.at(AT.service_account_public)
        public.unlink() if spoil is None else public.write_text(spoil)
        assert SERVICE_ACCOUNT.drift(session) == f"{AT.service_account_public} does not match it"
        SERVICE_ACCOUNT.apply(session)
        assert SERVICE_ACCOUNT.drift(session) is None
    assert session.host.at(AT.service_account_key).read_bytes() == key


def test_a_bad_service_account_key_is_never_replaced(session: Session) -> None:
    """Every token hangs on it."""
    files.write(session.host.at(AT.service_account_key), "junk", mode=0o600)

    assert SERVICE_ACCOUNT.drift(session) == "is no private key"
    with pytest.raises(KubeceptionError, match="is no private key"):
        SERVICE_ACCOUNT.apply(session)
    assert session.host.at(AT.service_account_key).read_text() == "junk"


def test_no_key_is_in_any_message(session: Session) -> None:
    _, key = content(session, AT.apiserver)

    secret = key.decode().splitlines()[1]
    assert secret not in f"{APISERVER!r} {APISERVER} {SERVICE_ACCOUNT!r}"


def test_a_leaf_may_be_wanted_with_some_time_left(session: Session, hands: Hands) -> None:
    soon = replace(APISERVER, at_least=timedelta(days=30))
    certificate, key = content(session, AT.apiserver)
    hands.sleep(timedelta(days=334).total_seconds())
    assert soon.drift(session) is None

    hands.sleep(timedelta(days=2).total_seconds())
    assert APISERVER.drift(session) is None
    assert soon.drift(session) == "has 29 days left"
    soon.apply(session)

    renewed, same_key = content(session, AT.apiserver)
    assert soon.drift(session) is None
    assert renewed != certificate and same_key == key


def test_what_can_not_be_renewed_is_used_to_its_end(session: Session, hands: Hands) -> None:
    """An external CA: whoever has its key renews."""
    soon = replace(APISERVER, at_least=timedelta(days=30))
    session.host.at(AT.ca.key).unlink()
    hands.sleep(timedelta(days=360).total_seconds())

    assert soon.drift(session) is None
    hands.sleep(timedelta(days=6).total_seconds())
    assert soon.drift(session) == "expired on 2027-03-01"


def test_only_what_has_expired_can_be_wanted_gone(session: Session, hands: Hands) -> None:
    live = InItsTime(APISERVER)
    spec = replace(APISERVER.entry.spec, dns_names=("another",))
    other = InItsTime(replace(APISERVER, entry=replace(APISERVER.entry, spec=spec)))
    assert (live.drift(session), other.drift(session)) == (None, None)

    hands.sleep(timedelta(days=366).total_seconds())
    assert live.drift(session) == "expired on 2027-03-01"
    live.apply(session)
    assert live.drift(session) is None


def test_a_leaf_of_the_future_is_issued_anew(session: Session, hands: Hands) -> None:
    """As where the clock went fast when it was issued."""
    hands.sleep(timedelta(hours=3).total_seconds())
    session.host.at(AT.apiserver.certificate).unlink()
    APISERVER.apply(session)
    hands.sleep(-timedelta(hours=3).total_seconds())

    why = "is valid from 2026-03-01 14:55 on"
    assert (APISERVER.drift(session), InItsTime(APISERVER).drift(session)) == (why, why)
    APISERVER.apply(session)
    assert APISERVER.drift(session) is None


def test_where_its_ca_is_of_the_future_too_it_is_the_clock(session: Session, hands: Hands) -> None:
    hands.sleep(-timedelta(hours=3).total_seconds())

    assert (APISERVER.drift(session), CA.drift(session)) == (None, None)
    assert InItsTime(APISERVER).drift(session) is None


@pytest.mark.parametrize("gone", [AT.apiserver.certificate, AT.apiserver.key, AT.ca.key])
def test_what_has_not_expired_is_no_more_than_that(
    gone: Path, session: Session, hands: Hands
) -> None:
    """Before the first API server nothing may stand in the way that bootstrap tells of later."""
    session.host.at(gone).unlink()
    hands.sleep(timedelta(days=366).total_seconds())

    assert InItsTime(APISERVER).drift(session) is None
