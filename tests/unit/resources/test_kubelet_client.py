"""A kubelet that was off for too long gets the certificate that it can't ask for any more."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.fixed import CONFIG, FACTS, HOST
from tests.unit.sessions import Hands, session_of

from kubeception.config.model import KeyAlgorithm
from kubeception.errors import KubeceptionError
from kubeception.host import files
from kubeception.phases import renew
from kubeception.pki import catalog, issue
from kubeception.resources.keypair import KeyPair
from kubeception.resources.kubelet_client import LiveKubeletClient
from kubeception.session import Session

AT = CONFIG.layout.kubelet
P256 = KeyAlgorithm.ECDSA_P256
CLIENT = renew.kubelets_own(CONFIG, FACTS)
DATED = AT.renewed_client.with_name("kubelet-client-2026-03-01-12-00-00.pem")
YEAR = timedelta(days=366).total_seconds()


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def session(tmp_path: Path, hands: Hands) -> Session:
    """A host whose kubelet has renewed its certificate, as kubelets do it."""
    session = session_of(tmp_path, hands=hands)
    KeyPair(next(iter(catalog.entries(CONFIG, HOST.node, HOST.address))), P256).apply(session)
    made = with_key(session, issue.new_key(P256))
    files.write(session.host.at(DATED), made, mode=0o600)
    files.link(session.host.at(AT.renewed_client), DATED)
    return session


def with_key(session: Session, key: bytes) -> bytes:
    at = session.layout.pki.ca
    ca = issue.Signer(at.certificate.read_bytes(), at.key.read_bytes())
    now = session.host.clock.now()
    return issue.certificate(CLIENT.spec, key, signer=ca, now=now) + key


def content(session: Session) -> bytes:
    return session.host.real(AT.renewed_client).read_bytes()


def test_what_is_good_is_the_kubelets_own_affair(session: Session) -> None:
    before = content(session)

    assert CLIENT.drift(session) is None
    CLIENT.apply(session)
    assert content(session) == before


def test_who_has_none_needs_none(tmp_path: Path) -> None:
    session = session_of(tmp_path)

    assert (CLIENT.drift(session), LiveKubeletClient(CLIENT).drift(session)) == (None, None)


def test_an_expired_one_is_replaced_for_its_key(session: Session, hands: Hands) -> None:
    _, key = issue.halves(content(session))
    hands.sleep(YEAR)

    assert (
        CLIENT.drift(session) == LiveKubeletClient(CLIENT).drift(session) == "expired on 2027-03-01"
    )
    CLIENT.apply(session)

    assert CLIENT.drift(session) is None
    assert issue.halves(content(session))[1] == key
    current = session.host.at(AT.renewed_client)
    assert current.is_symlink() and current.readlink() == AT.reissued_client
    assert files.mode_of(session.host.at(AT.reissued_client)) == 0o600


def test_one_of_ours_is_replaced_again(session: Session, hands: Hands) -> None:
    for _ in range(2):
        hands.sleep(YEAR)
        assert CLIENT.drift(session)
        CLIENT.apply(session)
        assert CLIENT.drift(session) is None


def test_one_that_is_asked_for_is_replaced(session: Session) -> None:
    asked = replace(CLIENT, at_least=timedelta(days=365, minutes=-1))

    assert asked.drift(session) is None
    assert replace(asked, at_least=timedelta(days=366)).drift(session) == "has 365 days left"


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda pem: issue.halves(pem)[0], "its key is missing"),
        (lambda _: b"junk", "its key is missing"),
        (lambda pem: issue.halves(pem)[0] + issue.new_key(P256), "does not belong to its key"),
    ],
    ids=["no key", "junk", "another key"],
)
def test_a_broken_one_gets_a_new_pair(session: Session, spoil: object, problem: str) -> None:
    assert callable(spoil)
    session.host.at(DATED).write_bytes(spoil(content(session)))

    assert CLIENT.drift(session) == problem
    # At the start only what its API would refuse is looked after.
    assert LiveKubeletClient(CLIENT).drift(session) is None
    CLIENT.apply(session)
    assert CLIENT.drift(session) is None


def test_one_of_another_ca_is_replaced(session: Session, tmp_path: Path) -> None:
    """As an earlier cluster has left it: the kubelet would go by it, and not by the one of now."""
    other = session_of(tmp_path / "other")
    KeyPair(next(iter(catalog.entries(CONFIG, HOST.node, HOST.address))), P256).apply(other)
    session.host.at(DATED).write_bytes(with_key(other, issue.new_key(P256)))

    live = LiveKubeletClient(CLIENT)
    assert LiveKubeletClient(CLIENT, of_any_ca=True).drift(session) is None
    assert CLIENT.drift(session) == live.drift(session) == issue.NOT_BY_ITS_CA
    live.apply(session)
    assert (CLIENT.drift(session), live.drift(session)) == (None, None)


def test_one_of_the_future_is_replaced(session: Session, hands: Hands) -> None:
    hands.sleep(timedelta(hours=3).total_seconds())
    session.host.at(DATED).write_bytes(with_key(session, issue.new_key(P256)))
    hands.sleep(-timedelta(hours=3).total_seconds())

    live = LiveKubeletClient(CLIENT)
    assert (live.drift(session) or "").startswith("is valid from ")
    live.apply(session)
    assert live.drift(session) is None


def test_without_the_cas_key_it_is_told_and_a_boot_goes_on(session: Session, hands: Hands) -> None:
    session.layout.pki.ca.key.unlink()
    hands.sleep(YEAR)

    assert LiveKubeletClient(CLIENT).drift(session) is None
    with pytest.raises(KubeceptionError, match="its CA's key is not on this host"):
        CLIENT.apply(session)


def test_a_file_in_the_symlinks_place_is_no_obstacle(session: Session, hands: Hands) -> None:
    """The kubelet itself would refuse to go on with that."""
    path = session.host.at(AT.renewed_client)
    pem = content(session)
    path.unlink()
    path.write_bytes(pem)
    hands.sleep(YEAR)

    CLIENT.apply(session)
    assert path.is_symlink() and CLIENT.drift(session) is None
