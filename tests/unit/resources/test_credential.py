"""A worker's credential: asked for once, and with the same key and request until it is there."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from tests.fixed import CONFIG, MEMBER, NOW
from tests.unit.reaching import Hands, reach_of

from kubeception import membership
from kubeception.config.model import KeyAlgorithm
from kubeception.errors import ConfigError, JoinRefused, WaitTimeout
from kubeception.host import files
from kubeception.pki import issue, request
from kubeception.pki.catalog import Spec, Use
from kubeception.reach import Reach
from kubeception.resources.credential import Ask, KubeletCredential, Welcome

P256 = KeyAlgorithm.ECDSA_P256
AT = CONFIG.layout


def authority() -> issue.Signer:
    key = issue.new_key(P256)
    spec = Spec("kubernetes", frozenset({Use.CA}), lifetime=timedelta(days=999))
    return issue.Signer(issue.certificate(spec, key, signer=None, now=NOW), key)


CA = authority()


def signed(pem: bytes, *, by: issue.Signer = CA) -> bytes:
    """Sign a request as the cluster's own controller does."""
    asked = x509.load_pem_x509_csr(pem)
    made = (
        x509.CertificateBuilder()
        .subject_name(asked.subject)
        .issuer_name(x509.load_pem_x509_certificate(by.certificate).subject)
        .public_key(asked.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=365))
        .sign(load_pem_private_key(by.key, None), hashes.SHA256())  # type: ignore[arg-type]
    )
    return made.public_bytes(Encoding.PEM)


class Cluster:
    """Who takes hosts in, and what it was asked."""

    def __init__(self, answer: Callable[[bytes], bytes] = signed) -> None:
        self.asked: list[bytes] = []
        self._answer = answer

    def __call__(self, asked: bytes, node: str, addresses: tuple[str, ...]) -> Welcome:
        assert (node, addresses) == ("w1", ("192.0.2.21",))
        self.asked.append(asked)
        return Welcome(self._answer(asked), CA.certificate, MEMBER)


def wanted(ask: Ask | None) -> KubeletCredential:
    return KubeletCredential("w1", "192.0.2.21", P256, ask)


@pytest.fixture
def reach(tmp_path: Path) -> Reach:
    return reach_of(tmp_path)


def joined(reach: Reach) -> Cluster:
    cluster = Cluster()
    wanted(cluster).apply(reach)
    return cluster


def test_a_host_joins_once(reach: Reach) -> None:
    cluster = Cluster()

    assert wanted(cluster).drift(reach) == "missing"
    wanted(cluster).apply(reach)
    assert wanted(None).drift(reach) is None
    wanted(cluster).apply(reach)
    assert len(cluster.asked) == 1


def test_the_kubelet_finds_its_files(reach: Reach) -> None:
    joined(reach)

    current = reach.layout.kubelet.renewed_client
    assert current.is_symlink()
    assert current.readlink().name == f"kubelet-client-{NOW:%Y-%m-%d-%H-%M-%S}.pem"
    assert files.mode_of(current) == 0o600
    assert current.read_bytes().count(b"-----BEGIN") == 2
    assert reach.layout.pki.ca.certificate.read_bytes() == CA.certificate
    assert membership.read(reach.layout.membership) == MEMBER
    assert {path.name for path in reach.layout.kubelet.pki.iterdir()} == {
        current.name,
        current.readlink().name,
    }


def test_a_host_that_was_put_off_asks_the_same_again(reach: Reach) -> None:
    def nobody(_: bytes) -> bytes:
        raise WaitTimeout("the join service", "connection refused")

    first, second = Cluster(nobody), Cluster()
    with pytest.raises(WaitTimeout):
        wanted(first).apply(reach)
    assert files.mode_of(reach.layout.kubelet.join_key) == 0o600
    wanted(second).apply(reach)

    assert first.asked == second.asked


@pytest.mark.parametrize("path", [AT.kubelet.join_key, AT.kubelet.join_request])
def test_what_a_killed_run_left_goes_without_another_join(path: Path, reach: Reach) -> None:
    joined(reach)
    files.write(reach.host.at(path), "left")

    assert wanted(None).drift(reach) == f"{reach.host.at(path)} is left"
    wanted(None).apply(reach)
    assert wanted(None).drift(reach) is None


def test_a_request_for_another_name_is_not_used(reach: Reach) -> None:
    key = issue.new_key(P256)
    files.write(reach.layout.kubelet.join_key, key, mode=0o600)
    files.write(reach.layout.kubelet.join_request, request.new(key, "w9"))

    cluster = joined(reach)

    assert request.is_for(cluster.asked[0], key, "w1")


@pytest.mark.parametrize("path", [AT.membership, AT.pki.ca.certificate, AT.kubelet.renewed_client])
def test_what_is_missing_is_seen(path: Path, reach: Reach) -> None:
    joined(reach)
    reach.host.at(path).unlink()

    assert wanted(None).drift(reach) == "missing"


def test_a_certificate_that_has_expired_or_is_another_nodes_is_none(tmp_path: Path) -> None:
    joined(reach_of(tmp_path))
    later = reach_of(tmp_path, hands=Hands(start=NOW + timedelta(days=400)))

    assert "expired" in (wanted(None).drift(later) or "")
    other = replace(wanted(None), node="w2")
    assert "not CN=system:node:w2" in (other.drift(reach_of(tmp_path)) or "")


def test_a_certificate_that_is_not_by_the_ca_is_refused_and_nothing_written(reach: Reach) -> None:
    other = authority()
    cluster = Cluster(lambda asked: signed(asked, by=other))

    with pytest.raises(JoinRefused, match="not signed by its CA"):
        wanted(cluster).apply(reach)
    assert not reach.layout.membership.exists()
    assert not reach.layout.kubelet.renewed_client.exists()


def test_who_has_not_joined_needs_a_token(reach: Reach) -> None:
    with pytest.raises(ConfigError, match="--token-file"):
        wanted(None).apply(reach)
