"""A kubelet that was off for too long gets the certificate that it can't ask for any more."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.fixed import CONFIG, FACTS, HOST
from tests.unit.reaching import Hands, reach_of

from kubeception.config.model import KeyAlgorithm
from kubeception.errors import KubeceptionError
from kubeception.host import files
from kubeception.phases import renew
from kubeception.pki import catalog, issue
from kubeception.reach import Reach
from kubeception.resources.keypair import KeyPair
from kubeception.resources.kubelet_client import LiveKubeletClient

AT = CONFIG.layout.kubelet
P256 = KeyAlgorithm.ECDSA_P256
CLIENT = renew.kubelets_own(CONFIG, FACTS)
DATED = AT.renewed_client.with_name("kubelet-client-2026-03-01-12-00-00.pem")
YEAR = timedelta(days=366).total_seconds()


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def reach(tmp_path: Path, hands: Hands) -> Reach:
    """A host whose kubelet has renewed its certificate, as kubelets do it."""
    reach = reach_of(tmp_path, hands=hands)
    KeyPair(next(iter(catalog.entries(CONFIG, HOST.node, HOST.address))), P256).apply(reach)
    made = with_key(reach, issue.new_key(P256))
    files.write(reach.host.at(DATED), made, mode=0o600)
    files.link(reach.host.at(AT.renewed_client), DATED)
    return reach


def with_key(reach: Reach, key: bytes) -> bytes:
    at = reach.layout.pki.ca
    ca = issue.Signer(at.certificate.read_bytes(), at.key.read_bytes())
    now = reach.host.clock.now()
    return issue.certificate(CLIENT.spec, key, signer=ca, now=now) + key


def content(reach: Reach) -> bytes:
    return reach.host.real(AT.renewed_client).read_bytes()


def test_what_is_good_is_the_kubelets_own_affair(reach: Reach) -> None:
    before = content(reach)

    assert CLIENT.drift(reach) is None
    CLIENT.apply(reach)
    assert content(reach) == before


def test_who_has_none_needs_none(tmp_path: Path) -> None:
    reach = reach_of(tmp_path)

    assert (CLIENT.drift(reach), LiveKubeletClient(CLIENT).drift(reach)) == (None, None)


def test_an_expired_one_is_replaced_for_its_key(reach: Reach, hands: Hands) -> None:
    _, key = issue.halves(content(reach))
    hands.sleep(YEAR)

    assert CLIENT.drift(reach) == LiveKubeletClient(CLIENT).drift(reach) == "expired on 2027-03-01"
    CLIENT.apply(reach)

    assert CLIENT.drift(reach) is None
    assert issue.halves(content(reach))[1] == key
    current = reach.host.at(AT.renewed_client)
    assert current.is_symlink() and current.readlink() == AT.reissued_client
    assert files.mode_of(reach.host.at(AT.reissued_client)) == 0o600


def test_one_of_ours_is_replaced_again(reach: Reach, hands: Hands) -> None:
    for _ in range(2):
        hands.sleep(YEAR)
        assert CLIENT.drift(reach)
        CLIENT.apply(reach)
        assert CLIENT.drift(reach) is None


def test_one_that_is_asked_for_is_replaced(reach: Reach) -> None:
    asked = replace(CLIENT, at_least=timedelta(days=365, minutes=-1))

    assert asked.drift(reach) is None
    assert replace(asked, at_least=timedelta(days=366)).drift(reach) == "has 365 days left"


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda pem: issue.halves(pem)[0], "its key is missing"),
        (lambda _: b"junk", "its key is missing"),
        (lambda pem: issue.halves(pem)[0] + issue.new_key(P256), "does not belong to its key"),
    ],
    ids=["no key", "junk", "another key"],
)
def test_a_broken_one_gets_a_new_pair(reach: Reach, spoil: object, problem: str) -> None:
    assert callable(spoil)
    reach.host.at(DATED).write_bytes(spoil(content(reach)))

    assert CLIENT.drift(reach) == problem
    # At a boot only what has expired is looked after.
    assert LiveKubeletClient(CLIENT).drift(reach) is None
    CLIENT.apply(reach)
    assert CLIENT.drift(reach) is None


def test_without_the_cas_key_it_is_told_and_a_boot_goes_on(reach: Reach, hands: Hands) -> None:
    reach.layout.pki.ca.key.unlink()
    hands.sleep(YEAR)

    assert LiveKubeletClient(CLIENT).drift(reach) is None
    with pytest.raises(KubeceptionError, match="its CA's key is not on this host"):
        CLIENT.apply(reach)


def test_a_file_in_the_symlinks_place_is_no_obstacle(reach: Reach, hands: Hands) -> None:
    """The kubelet itself would refuse to go on with that."""
    path = reach.host.at(AT.renewed_client)
    pem = content(reach)
    path.unlink()
    path.write_bytes(pem)
    hands.sleep(YEAR)

    CLIENT.apply(reach)
    assert path.is_symlink() and CLIENT.drift(reach) is None
