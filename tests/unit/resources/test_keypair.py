"""What is there and good is never touched; a CA and a broken key are never replaced."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.fixed import CONFIG, HOST
from tests.unit.reaching import Hands, reach_of

from kubeception.config.model import KeyAlgorithm
from kubeception.errors import KubeceptionError, PreflightError
from kubeception.facts import Accept
from kubeception.host import files
from kubeception.layout import Pair
from kubeception.pki import catalog, issue
from kubeception.reach import Reach
from kubeception.resources.keypair import KeyPair, NotExpired, ServiceAccountKey

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
def reach(tmp_path: Path, hands: Hands) -> Reach:
    """A host with a cluster CA and an API server's certificate."""
    reach = reach_of(tmp_path, hands=hands)
    CA.apply(reach)
    APISERVER.apply(reach)
    return reach


def content(reach: Reach, pair: Pair) -> tuple[bytes, bytes]:
    certificate, key = reach.host.at(pair.certificate), reach.host.at(pair.key)
    return certificate.read_bytes(), key.read_bytes()


def test_every_row_is_made_from_nothing_and_then_left_alone(tmp_path: Path) -> None:
    reach = reach_of(tmp_path)

    for wanted in TABLE.values():
        assert wanted.drift(reach) == "missing"
        wanted.apply(reach)
    assert [wanted.drift(reach) for wanted in TABLE.values()] == [None] * len(TABLE)


def test_keys_are_for_root_alone_and_certificates_for_all(reach: Reach) -> None:
    SERVICE_ACCOUNT.apply(reach)

    for private in (AT.ca.key, AT.apiserver.key, AT.service_account_key):
        assert files.mode_of(reach.host.at(private)) == 0o600
    for public in (AT.ca.certificate, AT.apiserver.certificate, AT.service_account_public):
        assert files.mode_of(reach.host.at(public)) == 0o644


def test_a_key_that_is_somebody_elses_is_given_to_whom_it_belongs(reach: Reach) -> None:
    me = os.getuid()
    before = content(reach, AT.apiserver)

    assert replace(APISERVER, uid=me).drift(reach) is None
    said = replace(APISERVER, uid=me + 1).drift(reach)
    assert said == f"its key belongs to user {me}, not {me + 1}"
    replace(APISERVER, uid=me).apply(reach)
    assert content(reach, AT.apiserver) == before


def test_an_expired_leaf_is_issued_anew_for_the_same_key(reach: Reach, hands: Hands) -> None:
    certificate, key = content(reach, AT.apiserver)
    hands.sleep(timedelta(days=366).total_seconds())

    assert APISERVER.drift(reach) == "expired on 2027-03-01"
    APISERVER.apply(reach)

    assert APISERVER.drift(reach) is None
    renewed, same_key = content(reach, AT.apiserver)
    assert renewed != certificate and same_key == key


def test_a_leaf_is_issued_anew_when_it_should_say_more(reach: Reach) -> None:
    _, key = content(reach, AT.apiserver)
    spec = replace(APISERVER.entry.spec, dns_names=("cp1", "api.example.com"))
    wanted = replace(APISERVER, entry=replace(APISERVER.entry, spec=spec))

    assert wanted.drift(reach) == "does not name api.example.com"
    wanted.apply(reach)
    assert wanted.drift(reach) is None
    assert content(reach, AT.apiserver)[1] == key


def test_a_leaf_without_its_key_gets_a_new_pair(reach: Reach) -> None:
    reach.host.at(AT.apiserver.key).unlink()

    assert APISERVER.drift(reach) == "its key is missing"
    APISERVER.apply(reach)
    assert APISERVER.drift(reach) is None


def test_a_pair_that_was_brought_along_is_kept(tmp_path: Path) -> None:
    """RSA where new keys are ECDSA, another lifetime, more names: all fine."""
    reach = reach_of(tmp_path)
    ca_key, key = (issue.new_key(KeyAlgorithm.RSA_2048) for _ in range(2))
    now = reach.host.clock.now()
    root = issue.certificate(CA.entry.spec, ca_key, signer=None, now=now)
    spec = replace(
        APISERVER.entry.spec,
        dns_names=(*APISERVER.entry.spec.dns_names, "more.example.com"),
        lifetime=timedelta(days=30),
    )
    leaf = issue.certificate(spec, key, signer=issue.Signer(root, ca_key), now=now)
    for pair, parts in ((AT.ca, (root, ca_key)), (AT.apiserver, (leaf, key))):
        files.write(reach.host.at(pair.certificate), parts[0])
        files.write(reach.host.at(pair.key), parts[1], mode=0o600)

    assert (CA.drift(reach), APISERVER.drift(reach)) == (None, None)


SPOILT: dict[str, Callable[[Reach, Hands], None]] = {
    "junk": lambda reach, _: files.write(reach.host.at(AT.ca.certificate), "junk"),
    "another key": lambda reach, _: files.write(reach.host.at(AT.ca.key), issue.new_key(P256)),
    "expired": lambda _, hands: hands.sleep(timedelta(days=3651).total_seconds()),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=list(SPOILT))
def test_a_bad_ca_is_never_replaced(
    spoil: Callable[[Reach, Hands], None], reach: Reach, hands: Hands
) -> None:
    spoil(reach, hands)
    before = content(reach, AT.ca)

    problem = CA.drift(reach)
    assert problem
    with pytest.raises(KubeceptionError, match=problem) as caught:
        CA.apply(reach)
    assert any("never replaced" in line for line in caught.value.lines())
    assert content(reach, AT.ca) == before


def test_a_ca_whose_key_is_elsewhere_is_fine_while_its_leaves_are(reach: Reach) -> None:
    reach.host.at(AT.ca.key).unlink()

    assert (CA.drift(reach), APISERVER.drift(reach)) == (None, None)


def test_a_leaf_that_lacks_its_cas_key_says_which_one(reach: Reach) -> None:
    reach.host.at(AT.ca.key).unlink()
    reach.host.at(AT.apiserver.certificate).unlink()

    with pytest.raises(KubeceptionError, match="its CA's key is not on this host") as caught:
        APISERVER.apply(reach)
    assert caught.value.hint and str(AT.ca.key) in caught.value.hint


@pytest.mark.parametrize("pair", [AT.ca, AT.apiserver], ids=["ca", "leaf"])
def test_a_key_that_is_none_is_never_replaced(pair: Pair, reach: Reach) -> None:
    files.write(reach.host.at(pair.key), "junk", mode=0o600)

    assert TABLE[pair].drift(reach) == "its key is no private key"
    with pytest.raises(KubeceptionError, match="is no private key"):
        TABLE[pair].apply(reach)
    assert reach.host.at(pair.key).read_text() == "junk"


def test_a_leaf_of_another_ca_is_issued_anew(reach: Reach) -> None:
    for part in (AT.ca.certificate, AT.ca.key):
        reach.host.at(part).unlink()
    with pytest.raises(PreflightError, match=r"is missing, while .*apiserver\.crt"):
        CA.apply(reach)
    reach.accepted = frozenset({Accept.NEW_CA})
    CA.apply(reach)

    assert APISERVER.drift(reach) == "is not signed by its CA"
    APISERVER.apply(reach)
    assert APISERVER.drift(reach) is None


def test_the_service_account_keys_public_half_follows_it(reach: Reach) -> None:
    SERVICE_ACCOUNT.apply(reach)
    key = reach.host.at(AT.service_account_key).read_bytes()

    for spoil in ("junk", None):
        public = reach.host.at(AT.service_account_public)
        public.unlink() if spoil is None else public.write_text(spoil)
        assert SERVICE_ACCOUNT.drift(reach) == f"{AT.service_account_public} does not match it"
        SERVICE_ACCOUNT.apply(reach)
        assert SERVICE_ACCOUNT.drift(reach) is None
    assert reach.host.at(AT.service_account_key).read_bytes() == key


def test_a_bad_service_account_key_is_never_replaced(reach: Reach) -> None:
    """Every token hangs on it."""
    files.write(reach.host.at(AT.service_account_key), "junk", mode=0o600)

    assert SERVICE_ACCOUNT.drift(reach) == "is no private key"
    with pytest.raises(KubeceptionError, match="is no private key"):
        SERVICE_ACCOUNT.apply(reach)
    assert reach.host.at(AT.service_account_key).read_text() == "junk"


def test_no_key_is_in_any_message(reach: Reach) -> None:
    _, key = content(reach, AT.apiserver)

    secret = key.decode().splitlines()[1]
    assert secret not in f"{APISERVER!r} {APISERVER} {SERVICE_ACCOUNT!r}"


def test_a_leaf_may_be_wanted_with_some_time_left(reach: Reach, hands: Hands) -> None:
    soon = replace(APISERVER, at_least=timedelta(days=30))
    certificate, key = content(reach, AT.apiserver)
    hands.sleep(timedelta(days=334).total_seconds())
    assert soon.drift(reach) is None

    hands.sleep(timedelta(days=2).total_seconds())
    assert APISERVER.drift(reach) is None
    assert soon.drift(reach) == "has 29 days left"
    soon.apply(reach)

    renewed, same_key = content(reach, AT.apiserver)
    assert soon.drift(reach) is None
    assert renewed != certificate and same_key == key


def test_what_can_not_be_renewed_is_used_to_its_end(reach: Reach, hands: Hands) -> None:
    """An external CA: whoever has its key renews."""
    soon = replace(APISERVER, at_least=timedelta(days=30))
    reach.host.at(AT.ca.key).unlink()
    hands.sleep(timedelta(days=360).total_seconds())

    assert soon.drift(reach) is None
    hands.sleep(timedelta(days=6).total_seconds())
    assert soon.drift(reach) == "expired on 2027-03-01"


def test_only_what_has_expired_can_be_wanted_gone(reach: Reach, hands: Hands) -> None:
    live = NotExpired(APISERVER)
    spec = replace(APISERVER.entry.spec, dns_names=("another",))
    other = NotExpired(replace(APISERVER, entry=replace(APISERVER.entry, spec=spec)))
    assert (live.drift(reach), other.drift(reach)) == (None, None)

    hands.sleep(timedelta(days=366).total_seconds())
    assert live.drift(reach) == "expired on 2027-03-01"
    live.apply(reach)
    assert live.drift(reach) is None


@pytest.mark.parametrize("gone", [AT.apiserver.certificate, AT.apiserver.key, AT.ca.key])
def test_what_has_not_expired_is_no_more_than_that(gone: Path, reach: Reach, hands: Hands) -> None:
    """Before the first API server nothing may stand in the way that bootstrap tells of later."""
    reach.host.at(gone).unlink()
    hands.sleep(timedelta(days=366).total_seconds())

    assert NotExpired(APISERVER).drift(reach) is None
