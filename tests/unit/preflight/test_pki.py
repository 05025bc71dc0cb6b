"""What a person has to look at is named; what is missing or merely outdated is not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.fixed import CONFIG, FACTS
from tests.unit.preflight.host_states import host_with_pki, said, scene_of
from tests.unit.sessions import Hands, session_of

from kubeception.facts import Accept
from kubeception.phases import pki as pki_phase
from kubeception.phases import reset
from kubeception.pki import catalog
from kubeception.preflight import belongings, pki
from kubeception.preflight.host_state import HostState
from kubeception.resources.keypair import KeyPair
from kubeception.session import Session

AT = CONFIG.layout.pki
RESTORE = "a CA is never replaced by itself; put the right pair back"


def everything(seen: HostState) -> list[str]:
    return [
        finding
        for check in (belongings.losses, pki.content, pki.certificates)
        for finding in said(check, seen)
    ]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return host_with_pki(tmp_path)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def test_a_run_killed_after_any_file_is_no_problem(tmp_path: Path) -> None:
    session = session_of(tmp_path)

    assert everything(scene_of(session)) == []
    for wanted in pki_phase.plan(CONFIG, FACTS):
        wanted.apply(session)
        if isinstance(wanted, KeyPair):
            certificate = session.host.at(wanted.entry.at.certificate)
            kept = certificate.read_bytes()
            certificate.unlink()  # as if killed between the key and the certificate
            assert everything(scene_of(session)) == []
            certificate.write_bytes(kept)
        assert everything(scene_of(session)) == []


def test_a_reset_killed_after_any_file_is_no_problem(session: Session) -> None:
    for kubeconfig in (*session.layout.kubernetes.admin.parent.glob("*.conf"),):
        kubeconfig.unlink()  # reset removes them first
    for wanted in reset.certificates(CONFIG, FACTS):
        wanted.apply(session)
        assert everything(scene_of(session)) == []
    assert list(session.host.at(AT.folder).rglob("*.crt")) == []


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        (AT.ca.certificate, "is no certificate"),
        (AT.ca.key, "is no private key"),
        (AT.etcd_ca.certificate, "is no certificate"),
        (AT.apiserver.certificate, "is no certificate"),
        (AT.kubelet_client.key, "is no private key"),
        (AT.service_account_key, "is no private key"),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else "",
)
@pytest.mark.parametrize("empty", [False, True])
def test_what_is_truncated_is_named(
    session: Session, path: Path, problem: str, empty: bool
) -> None:
    found = session.host.at(path)
    truncate(found)
    if empty:
        found.write_bytes(b"")

    name = f"FileContent-{str(path).replace('/', '-')}"
    assert everything(scene_of(session)) == [f"error {name}: {path}: {problem}"]


def test_a_folder_is_no_key(session: Session) -> None:
    session.host.at(AT.ca.key).unlink()
    session.host.at(AT.ca.key).mkdir()

    assert everything(scene_of(session)) == [
        f"error FileContent--etc-kubernetes-pki-ca.key: {AT.ca.key}: is no private key"
    ]


def test_all_are_named_at_once(session: Session) -> None:
    for path in (AT.ca.key, AT.front_proxy_ca.certificate, AT.etcd_peer.key):
        truncate(session.host.at(path))

    assert len(everything(scene_of(session))) == 3


def test_a_ca_and_a_key_that_do_not_match(session: Session) -> None:
    session.host.at(AT.etcd_ca.key).write_bytes(session.host.at(AT.ca.key).read_bytes())

    (finding,) = belongings.losses(scene_of(session))

    assert finding.check == "FileContent--etc-kubernetes-pki-etcd-ca.crt"
    assert finding.problem == (
        f"{AT.etcd_ca.certificate}: does not belong to its key, {AT.etcd_ca.key}"
    )
    assert finding.hint == RESTORE


@pytest.mark.parametrize("lost", [("certificate",), ("certificate", "key")])
def test_a_ca_is_not_made_anew_while_what_it_signed_is_there(
    session: Session, lost: tuple[str, ...]
) -> None:
    for half in lost:
        session.host.at(getattr(AT.front_proxy_ca, half)).unlink()

    assert everything(scene_of(session)) == [
        "error FileContent--etc-kubernetes-pki-front-proxy-ca.crt: "
        f"{AT.front_proxy_ca.certificate}: is missing, "
        f"while {AT.front_proxy_client.certificate}, which it signed, is there"
    ]
    for half in ("certificate", "key"):
        session.host.at(getattr(AT.front_proxy_client, half)).unlink()
    [other] = everything(scene_of(session))
    assert other.endswith(f"is missing, while {CONFIG.layout.kubernetes.admin} is there")
    session.accepted = frozenset({Accept.NEW_CA})
    assert everything(scene_of(session)) == []


def test_a_ca_whose_key_is_elsewhere_will_do_until_something_has_to_be_signed(
    session: Session,
) -> None:
    session.host.at(AT.ca.key).unlink()

    assert everything(scene_of(session)) == []
    session.host.at(AT.admin.certificate).unlink()
    assert everything(scene_of(session)) == [
        f"error FileContent--etc-kubernetes-pki-admin.crt: {AT.admin.certificate}: "
        "is missing, and its CA's key is not on this host"
    ]


def test_a_ca_that_has_expired(tmp_path: Path) -> None:
    hands = Hands()
    session = host_with_pki(tmp_path, hands=hands)
    hands.sleep((catalog.CA_LIFETIME + timedelta(days=1)).total_seconds())

    assert sum("expired" in line for line in everything(scene_of(session))) == 5
    # So it is told of one whose key is elsewhere.
    session.host.at(AT.front_proxy_ca.key).unlink()
    told = f"{AT.front_proxy_ca.certificate}: expired on "
    assert sum(told in line for line in everything(scene_of(session))) == 1


def _other_key(session: Session) -> None:
    session.host.at(AT.admin.key).write_bytes(session.host.at(AT.scheduler.key).read_bytes())


def _no_key(session: Session) -> None:
    session.host.at(AT.admin.key).unlink()


def _no_public_half(session: Session) -> None:
    session.host.at(AT.service_account_public).unlink()


@pytest.mark.parametrize("harm", [_other_key, _no_key, _no_public_half])
def test_what_a_run_mends_is_no_problem(session: Session, harm: Callable[[Session], None]) -> None:
    harm(session)

    assert everything(scene_of(session)) == []


def test_leaves_that_expired_or_name_another_address_are_no_problem(tmp_path: Path) -> None:
    hands = Hands()
    session = host_with_pki(tmp_path, hands=hands)
    hands.sleep((catalog.LEAF_LIFETIME + timedelta(days=1)).total_seconds())

    assert everything(replace(scene_of(session), address=ip_address("192.0.2.11"))) == []


def test_leaves_of_another_ca_are_told_before_they_are_issued_anew(
    session: Session, tmp_path: Path
) -> None:
    other = host_with_pki(tmp_path / "other", hands=Hands())
    for half in (AT.front_proxy_ca.certificate, AT.front_proxy_ca.key):
        session.host.at(half).write_bytes(other.host.at(half).read_bytes())

    assert everything(scene_of(session)) == [
        "warning FileContent--etc-kubernetes-pki-front-proxy-client.crt: "
        f"{AT.front_proxy_client.certificate}: is not signed by its CA; it is issued anew"
    ]


def test_a_service_account_key_is_not_made_anew_while_its_public_half_is_there(
    session: Session,
) -> None:
    session.host.at(AT.service_account_key).unlink()

    assert everything(scene_of(session)) == [
        "error FileContent--etc-kubernetes-pki-sa.key: "
        f"{AT.service_account_key}: is missing, while {AT.service_account_public} is there"
    ]
