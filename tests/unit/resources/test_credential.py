"""A worker's credential: asked for once, and with the same key and request until it is there."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from unittest.mock import Mock

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from tests import killed
from tests.fixed import CONFIG, MEMBER, NOW
from tests.unit.sessions import Hands, session_of

from kubeception.config.model import KeyAlgorithm
from kubeception.errors import ConfigError, JoinRefused, WaitTimeout
from kubeception.host import files
from kubeception.kept import membership
from kubeception.pki import issue, request
from kubeception.pki.catalog import CertificateSpec, Use
from kubeception.resources.credential import JoinResult, KubeletCredential, RequestCertificate
from kubeception.session import Session

P256 = KeyAlgorithm.ECDSA_P256
AT = CONFIG.layout


def authority() -> issue.Signer:
    key = issue.new_key(P256)
    spec = CertificateSpec("kubernetes", frozenset({Use.CA}), lifetime=timedelta(days=999))
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

    def __init__(
        self,
        answer: Callable[[bytes], bytes] = signed,
        *,
        service: str = "192.0.2.10",
        ca: bytes = CA.certificate,
    ) -> None:
        self.asked: list[bytes] = []
        self.addresses: list[tuple[str, ...]] = []
        self.service = service
        self._answer = answer
        self._ca = ca

    def __call__(self, asked: bytes, node: str, addresses: tuple[str, ...]) -> JoinResult:
        assert node == "w1"
        self.asked.append(asked)
        self.addresses.append(addresses)
        member = replace(MEMBER, joined_at=self.service)
        return JoinResult(self._answer(asked), self._ca, member)


def wanted(ask: RequestCertificate | None, address: str = "192.0.2.21") -> KubeletCredential:
    return KubeletCredential("w1", ip_address(address), P256, ask)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return session_of(tmp_path)


def joined(session: Session) -> Cluster:
    cluster = Cluster()
    wanted(cluster).apply(session)
    return cluster


def test_a_host_joins_once(session: Session) -> None:
    cluster = Cluster()

    assert wanted(cluster).drift(session) == "missing"
    wanted(cluster).apply(session)
    assert wanted(None).drift(session) is None
    wanted(cluster).apply(session)
    assert cluster.addresses == [("192.0.2.21",)]


def test_a_host_whose_ca_has_expired_joins_by_that_of_today(tmp_path: Path) -> None:
    hands = Hands()
    session = session_of(tmp_path, hands=hands)
    joined(session)
    expired = CA.certificate
    hands.sleep(timedelta(days=3651).total_seconds())
    said = wanted(None).drift(session)
    assert said is not None
    assert said.startswith("is by a CA whose certificate expired on ")

    with pytest.raises(JoinRefused, match="by a CA whose certificate expired"):
        wanted(Cluster()).apply(session)
    assert session.layout.pki.ca.certificate.read_bytes() == expired


def test_a_host_follows_its_api_to_another_address(session: Session) -> None:
    joined(session)
    there = Cluster(service="api.example")

    assert wanted(None).drift(session) is None
    said = wanted(there).drift(session)
    assert said == "this host goes to the API at 192.0.2.10, not api.example"
    wanted(there).apply(session)
    assert wanted(there).drift(session) is None
    assert len(there.asked) == 1


def test_a_host_that_follows_and_is_killed_asks_the_same_again(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined(session)
    first, second = (Cluster(service="192.0.2.12") for _ in range(2))
    with monkeypatch.context() as patched:
        patched.setattr(files, "link", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            wanted(first).apply(session)
    wanted(second).apply(session)

    assert first.asked == second.asked


def test_a_worker_is_not_led_to_another_cluster(session: Session) -> None:
    joined(session)
    before = session.layout.kubelet.renewed_client.read_bytes()

    with pytest.raises(JoinRefused, match="a worker of a cluster with another CA"):
        wanted(Cluster(service="192.0.2.12", ca=authority().certificate)).apply(session)
    assert session.layout.kubelet.renewed_client.read_bytes() == before


def test_the_kubelet_finds_its_files(session: Session) -> None:
    joined(session)

    current = session.layout.kubelet.renewed_client
    assert current.is_symlink()
    assert current.readlink().name == f"kubelet-client-{NOW:%Y-%m-%d-%H-%M-%S}.pem"
    assert files.mode_of(current) == 0o600
    assert current.read_bytes().count(b"-----BEGIN") == 2
    assert session.layout.pki.ca.certificate.read_bytes() == CA.certificate
    known = replace(MEMBER, joined_by="192.0.2.21", joined_at="192.0.2.10")
    assert membership.read(session.layout.membership) == known
    assert {path.name for path in session.layout.kubelet.pki.iterdir()} == {
        current.name,
        current.readlink().name,
    }


def test_a_host_that_was_put_off_asks_the_same_again(session: Session) -> None:
    def nobody(_: bytes) -> bytes:
        raise WaitTimeout("the join service", "connection refused")

    first, second = Cluster(nobody), Cluster()
    with pytest.raises(WaitTimeout):
        wanted(first).apply(session)
    assert files.mode_of(session.layout.kubelet.join_key) == 0o600
    wanted(second).apply(session)

    assert first.asked == second.asked


@pytest.mark.parametrize("path", [AT.kubelet.join_key, AT.kubelet.join_request])
def test_what_a_killed_run_left_goes_without_another_join(path: Path, session: Session) -> None:
    joined(session)
    files.write(session.host.at(path), "left")

    assert wanted(None).drift(session) == f"{session.host.at(path)} is left"
    wanted(None).apply(session)
    assert wanted(None).drift(session) is None


def test_a_request_for_another_name_is_not_used(session: Session) -> None:
    key = issue.new_key(P256)
    files.write(session.layout.kubelet.join_key, key, mode=0o600)
    files.write(session.layout.kubelet.join_request, request.new(key, "w9"))

    cluster = joined(session)

    assert request.is_for(cluster.asked[0], key, "w1")


@pytest.mark.parametrize("path", [AT.membership, AT.pki.ca.certificate, AT.kubelet.renewed_client])
def test_what_is_missing_is_seen(path: Path, session: Session) -> None:
    joined(session)
    session.host.at(path).unlink()

    assert wanted(None).drift(session) == "missing"


def test_a_certificate_that_has_expired_or_is_another_nodes_is_none(tmp_path: Path) -> None:
    joined(session_of(tmp_path))
    later = session_of(tmp_path, hands=Hands(start=NOW + timedelta(days=400)))

    assert "expired" in (wanted(None).drift(later) or "")
    other = replace(wanted(None), node="w2")
    assert "not CN=system:node:w2" in (other.drift(session_of(tmp_path)) or "")


def test_a_certificate_that_is_not_by_the_ca_is_refused_and_nothing_written(
    session: Session,
) -> None:
    other = authority()
    cluster = Cluster(lambda asked: signed(asked, by=other))

    with pytest.raises(JoinRefused, match="not signed by its CA"):
        wanted(cluster).apply(session)
    assert not session.layout.membership.exists()
    assert not session.layout.kubelet.renewed_client.exists()


def test_who_has_not_joined_needs_a_token(session: Session) -> None:
    with pytest.raises(ConfigError, match="--token-file"):
        wanted(None).apply(session)


MOVED = "192.0.2.22"


def joined_by_an_earlier_version(session: Session) -> None:
    joined(session)
    files.write(session.layout.membership, membership.text(MEMBER))
    files.write(session.layout.kubelet.environment, 'KUBELET_ARGS="--node-ip=192.0.2.21"\n')


@pytest.mark.parametrize("made", [joined, joined_by_an_earlier_version])
def test_a_host_that_has_moved_joins_again_by_its_new_address(
    made: Callable[[Session], object], session: Session
) -> None:
    made(session)
    before = session.layout.kubelet.renewed_client.read_bytes()
    again, later = Cluster(), Cluster()

    why = f"this host has joined by 192.0.2.21, and goes by {MOVED} now"
    assert wanted(None, MOVED).drift(session) == why
    with pytest.raises(ConfigError, match=why) as refused:
        wanted(None, MOVED).apply(session)
    assert "token create --rejoin w1" in str(refused.value.hint)
    wanted(again, MOVED).apply(session)

    assert again.addresses == [(MOVED,)]
    assert session.layout.kubelet.renewed_client.read_bytes() != before
    assert wanted(None, MOVED).drift(session) is None
    wanted(later, MOVED).apply(session)
    assert later.asked == []


def test_a_host_that_moves_and_is_killed_at_any_step_asks_the_same_again(
    session: Session, tmp_path: Path
) -> None:
    joined(session)
    asked = tmp_path / "asked"

    def remembered(pem: bytes) -> bytes:
        with asked.open("ab") as file:
            file.write(pem)
        return signed(pem)

    steps = killed.ratchet(
        lambda: wanted(Cluster(remembered), MOVED).apply(session), log=tmp_path / "steps"
    )

    assert len(steps) > 5
    requests = asked.read_bytes().split(b"-----BEGIN")[1:]
    assert len(requests) > 1
    assert len({*requests}) == 1
    _, key = issue.halves(session.layout.kubelet.renewed_client.read_bytes())
    assert key and request.is_for(b"-----BEGIN" + requests[0], key, "w1")
    assert wanted(None, MOVED).drift(session) is None
