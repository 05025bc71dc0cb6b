"""Every certificate of a host is told, with what is wrong with it; and which one runs out."""

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.fixed import FACTS, HOST, MEMBER
from tests.unit.sessions import Hands, keys_and_certificates, session_of

from kubeception import certificates
from kubeception.admin import checks
from kubeception.certificates import Row
from kubeception.config import Config
from kubeception.config.model import KeyAlgorithm, Node
from kubeception.facts import Accept
from kubeception.host import files
from kubeception.kept import membership
from kubeception.layout import Pair
from kubeception.phases import pki
from kubeception.pki import catalog, issue
from kubeception.render import pod_folder
from kubeception.resources.keypair import KeyPair
from kubeception.resources.pod_folder import PodFolder
from kubeception.session import Session

P256 = KeyAlgorithm.ECDSA_P256
CONFIG = Config(node=Node(name=HOST.node, address=str(HOST.address)))
AT = CONFIG.layout.pki
DAY_S = timedelta(days=1).total_seconds()


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def session(tmp_path: Path, hands: Hands) -> Session:
    """A host with all of its certificates, and the kubeconfigs."""
    session = session_of(tmp_path, config=CONFIG, hands=hands)
    for wanted in keys_and_certificates():
        wanted.apply(session)
    bring_copies_up_to_date(session)
    return session


def bring_copies_up_to_date(session: Session) -> None:
    """Make pods' copies what they are to be, all of them for whoever runs the tests."""
    for one in pki.copies(FACTS):
        PodFolder(replace(one.wanted, user=pod_folder.ROOT)).apply(session)


def rows(session: Session) -> dict[str, Row]:
    return {row.name: row for row in certificates.look(session)}


def problems(session: Session) -> dict[str, str]:
    return {name: row.problem for name, row in rows(session).items() if row.problem}


def leaf(session: Session, *, ca: Pair | None = None, days: int = 10) -> tuple[bytes, bytes]:
    """Return a certificate of somebody's with its key."""
    at = ca or session.layout.pki.ca
    signer = issue.Signer(at.certificate.read_bytes(), at.key.read_bytes())
    spec = catalog.superuser(timedelta(days=days))
    key = issue.new_key(P256)
    return issue.certificate(spec, key, signer=signer, now=session.host.clock.now()), key


def embedding(certificate: bytes, key: bytes) -> str:
    """Return a kubeconfig as kubeadm writes it."""
    one, other = (base64.b64encode(part).decode() for part in (certificate, key))
    return f"users:\n- user:\n    client-certificate-data: {one}\n    client-key-data: {other}\n"


def test_all_are_told_and_the_first_to_expire_first(session: Session) -> None:
    found = certificates.look(session)

    table = list(catalog.entries(CONFIG, HOST.node, HOST.address))
    assert {row.name for row in found} == {catalog.name(AT, entry.at) for entry in table}
    assert not problems(session)
    assert [row.days for row in found] == sorted(row.days for row in found if row.days is not None)
    assert rows(session)["etcd/server"] == Row(
        "etcd/server",
        str(AT.etcd_server.certificate),
        365,
        "2027-03-01T12:00:00Z",
        "etcd-ca",
        None,
    )


def spoil_key(session: Session) -> None:
    files.write(session.host.at(AT.admin.key), issue.new_key(P256), mode=0o600)


def spoil_names(session: Session) -> None:
    moved = catalog.kubelet_server(HOST.node, ip_address("192.0.2.99"))
    entry = next(one for one in table() if one.at == AT.kubelet_server)
    KeyPair(catalog.Entry(entry.at, moved, entry.issuer), P256).apply(session)


def spoil_ca(session: Session) -> None:
    for path in (AT.front_proxy_ca.certificate, AT.front_proxy_ca.key):
        session.host.at(path).unlink()
    session.accepted = frozenset({Accept.NEW_CA})
    KeyPair(next(one for one in table() if one.at == AT.front_proxy_ca), P256).apply(session)
    bring_copies_up_to_date(session)


def table() -> list[catalog.Entry]:
    return list(catalog.entries(CONFIG, HOST.node, HOST.address))


SPOILT: dict[str, tuple[Callable[[Session], object], dict[str, str]]] = {
    "a key": (spoil_key, {"admin": "does not belong to its key"}),
    "a name": (spoil_names, {"kubelet-server": f"does not name {HOST.address}"}),
    "a CA": (spoil_ca, {"front-proxy-client": "is not signed by its CA"}),
    "junk": (
        lambda session: files.write(session.host.at(AT.join.certificate), "junk"),
        {"join": "is no certificate"},
    ),
    "no file": (
        lambda session: session.host.at(AT.etcd_peer.certificate).unlink(),
        {"etcd/peer": "missing"},
    ),
    "no key": (
        lambda session: session.host.at(AT.keeper.key).unlink(),
        {"keeper": "its key is missing"},
    ),
}


@pytest.mark.parametrize(("spoil", "said"), SPOILT.values(), ids=SPOILT)
def test_what_is_wrong_is_told(
    session: Session, spoil: Callable[[Session], object], said: dict[str, str]
) -> None:
    spoil(session)

    assert problems(session) == said


def test_what_can_not_be_read_comes_first(session: Session) -> None:
    session.host.at(AT.join.certificate).unlink()

    row = certificates.look(session)[0]
    assert row == Row("join", str(AT.join.certificate), None, None, None, "missing")


def test_all_that_has_expired_is_told(session: Session, hands: Hands) -> None:
    hands.sleep(366 * DAY_S)

    found = problems(session)
    assert set(found) == set(catalog.names(CONFIG))
    assert set(found.values()) == {"expired on 2027-03-01"}
    assert rows(session)["apiserver"].days == -1


def test_looking_changes_nothing(session: Session, hands: Hands) -> None:
    hands.sleep(366 * DAY_S)
    before = {p: p.read_bytes() for p in session.host.root.rglob("*") if p.is_file()}

    certificates.look(session)
    certificates.expiring(session, HOST.node)
    assert {p: p.read_bytes() for p in session.host.root.rglob("*") if p.is_file()} == before


def test_the_kubelets_own_is_told_where_it_is(session: Session) -> None:
    certificate, key = leaf(session)
    files.write(session.host.at(CONFIG.layout.kubelet.renewed_client), certificate + key)

    row = rows(session)[catalog.KUBELETS_OWN]
    assert (row.days, row.issuer) == (10, "kubernetes")
    assert row.problem and row.problem.startswith("is for CN=kubeception-bootstrap")


def test_what_a_kubeconfig_embeds_is_judged(session: Session, hands: Hands) -> None:
    path = session.host.at(CONFIG.layout.kubernetes.admin)
    files.write(path, embedding(*leaf(session)))

    assert rows(session)["admin.conf"] == Row(
        "admin.conf",
        str(CONFIG.layout.kubernetes.admin),
        10,
        "2026-03-11T12:00:00Z",
        "kubernetes",
        None,
    )
    hands.sleep(11 * DAY_S)
    assert problems(session) == {"admin.conf": "expired on 2026-03-11"}


@pytest.mark.parametrize(
    ("embedded", "problem"),
    [
        (lambda session: leaf(session, ca=session.layout.pki.join_ca), "is not signed by its CA"),
        (lambda session: (leaf(session)[0], issue.new_key(P256)), "does not belong to its key"),
        (lambda session: (b"junk", leaf(session)[1]), "is no certificate"),
        (lambda session: (leaf(session)[0], b"junk"), "its key is no private key"),
    ],
    ids=["another CA", "another key", "junk", "junk for a key"],
)
def test_what_is_wrong_with_an_embedded_one_is_told(
    session: Session, embedded: Callable[[Session], tuple[bytes, bytes]], problem: str
) -> None:
    files.write(session.host.at(CONFIG.layout.kubernetes.admin), embedding(*embedded(session)))

    assert problems(session) == {"admin.conf": problem}


def test_a_file_that_only_a_kubeconfig_names_is_judged(session: Session) -> None:
    text = "client-certificate: /root/me.crt\nclient-key: /root/me.key\n"
    files.write(session.host.at(CONFIG.layout.kubernetes.admin), text)
    assert problems(session) == {"admin.conf": "missing"}

    for name, part in zip(("me.crt", "me.key"), leaf(session), strict=True):
        files.write(session.host.at(Path("/root") / name), part)
    assert rows(session)["admin.conf"].file == "/root/me.crt"
    assert not problems(session)


def test_a_worker_misses_nothing(tmp_path: Path) -> None:
    session = session_of(tmp_path, config=CONFIG)
    assert certificates.look(session) == []

    KeyPair(table()[0], P256).apply(session)
    session.host.at(AT.ca.key).unlink()
    assert list(rows(session)) == ["ca"]
    assert not problems(session)


@pytest.mark.parametrize(
    ("published", "by", "problem"),
    [
        ((AT.kubelet_serving_ca,), AT.kubelet_serving_ca, None),
        ((AT.kubelet_serving_ca, AT.ca), AT.ca, None),
        ((AT.kubelet_serving_ca,), AT.ca, "is not signed by its CA"),
        ((), AT.ca, None),  # an earlier version's cluster publishes none
        ((), AT.kubelet_serving_ca, "is not signed by its CA"),
    ],
)
def test_what_a_workers_kubelet_serves_with_is_by_a_ca_that_is_published(
    session: Session, tmp_path: Path, published: tuple[Pair, ...], by: Pair, problem: str | None
) -> None:
    at_home = session.host.at
    worker = session_of(tmp_path / "worker", config=CONFIG)
    spec, key = catalog.kubelet_server(HOST.node, HOST.address), issue.new_key(P256)
    signer = issue.Signer(at_home(by.certificate).read_bytes(), at_home(by.key).read_bytes())
    shown = issue.certificate(spec, key, signer=signer, now=session.host.clock.now())
    here = worker.host.at
    files.write(here(CONFIG.layout.kubelet.renewed_server), shown + key)
    files.write(here(CONFIG.layout.membership), membership.text(MEMBER))
    files.write(here(AT.ca.certificate), at_home(AT.ca.certificate).read_bytes())
    if published:
        text = b"".join(at_home(ca.certificate).read_bytes() for ca in published)
        files.write(here(AT.kubelet_serving_cas), text)

    assert rows(worker)["kubelet-server-current"].problem == problem


def test_no_key_is_told(session: Session) -> None:
    spoil_key(session)
    secret = session.host.at(AT.admin.key).read_text().splitlines()[1]

    assert secret not in repr(certificates.look(session))


@pytest.mark.parametrize(
    ("days", "why"),
    [
        (335, None),
        (336, "certificate admin has 29 days left"),
        (365, "certificate admin has 0 days left"),
        (366, "certificate admin has expired"),
        (3651, "certificate admin has expired"),
    ],
)
def test_the_first_that_runs_out_is_told(
    session: Session, hands: Hands, days: int, why: str | None
) -> None:
    hands.sleep(days * DAY_S - 3600)

    assert certificates.expiring(session, HOST.node) == why


def test_what_can_not_be_renewed_here_is_no_reason_to_try(session: Session, hands: Hands) -> None:
    hands.sleep(366 * DAY_S)
    for ca in (AT.ca, AT.front_proxy_ca, AT.etcd_ca, AT.join_ca, AT.kubelet_serving_ca):
        session.host.at(ca.key).unlink()

    assert certificates.expiring(session, HOST.node) is None
    assert certificates.not_renewable(session, ["admin", "etcd/peer"]) == [
        f"etcd/peer: the key of its CA, {AT.etcd_ca.key}, is not on this host",
        f"admin: the key of its CA, {AT.ca.key}, is not on this host",
    ]


def test_the_kubelets_own_counts_when_it_has_expired(session: Session, hands: Hands) -> None:
    files.write(
        session.host.at(CONFIG.layout.kubelet.renewed_client), b"".join(leaf(session, days=10))
    )

    assert certificates.expiring(session, HOST.node) is None
    hands.sleep(11 * DAY_S)
    assert certificates.expiring(session, HOST.node) == (
        f"certificate {catalog.KUBELETS_OWN} has expired"
    )


def test_a_host_without_certificates_has_nothing_that_runs_out(tmp_path: Path) -> None:
    session = session_of(tmp_path)

    assert certificates.expiring(session, HOST.node) is None
    assert certificates.not_renewable(session, []) == [
        "there is no certificate on this host that could be renewed"
    ]


def test_where_all_is_there_all_can_be_renewed(session: Session) -> None:
    for asked in ([], catalog.names(CONFIG), [catalog.KUBELETS_OWN]):
        assert certificates.not_renewable(session, asked) == []


KUBERNETES = CONFIG.layout.kubernetes


def exchange(session: Session, path: Path, content: bytes | None) -> None:
    found = session.host.at(path)
    if content is None:
        found.unlink()
    else:
        found.write_bytes(content)


@pytest.mark.parametrize(
    ("path", "content", "problem"),
    [
        (KUBERNETES.admin, b"", "is no kubeconfig"),
        (KUBERNETES.scheduler, bytes(99), "is no kubeconfig"),
        (KUBERNETES.kubelet, None, "missing"),
        (CONFIG.layout.kubeconfig_cluster, b"{", "is no kubeconfig"),
        (AT.service_account_public, b"", "does not belong to its key"),
        (AT.service_account_public, None, "missing"),
        (AT.service_account_key, b"", "is no private key"),
        (AT.apiserver.certificate, b"junk", "is no certificate"),
        (AT.apiserver.certificate, None, "missing"),
    ],
)
def test_status_and_the_check_tell_the_same(
    session: Session, path: Path, content: bytes | None, problem: str
) -> None:
    valid = checks.all_valid()
    assert valid.problem(session) is None

    exchange(session, path, content)

    told = {row.file: row.problem for row in certificates.look(session) if row.problem}
    assert list(told) == [str(path)]
    assert problem in str(told[str(path)])
    assert valid.problem(session) == f"{path}: {told[str(path)]}"


def test_a_broken_leaf_is_for_the_keeper_and_what_nobody_may_mend_is_not(session: Session) -> None:
    assert certificates.broken(session) is None
    exchange(session, AT.service_account_key, b"")
    assert certificates.broken(session) is None

    exchange(session, AT.apiserver.certificate, None)

    assert certificates.broken(session) == "certificate apiserver: missing"


def test_a_copy_that_is_not_as_its_original_is_told_and_mended(session: Session) -> None:
    """A pod goes by its copy: what is renewed behind its back would not arrive."""
    entry = next(one for one in table() if one.at == AT.scheduler)
    before = session.host.at(AT.scheduler.certificate).read_bytes()
    renewed = replace(entry.spec, lifetime=timedelta(days=300))
    KeyPair(replace(entry, spec=renewed), P256, at_least=timedelta(days=999)).apply(session)
    assert session.host.at(AT.scheduler.certificate).read_bytes() != before

    copy = f"/etc/kubernetes/kubeception/kube-scheduler{AT.scheduler.certificate}"
    words = f"is not as {AT.scheduler.certificate} is"
    assert problems(session) == {"kube-scheduler/scheduler.crt": words}
    assert rows(session)["kube-scheduler/scheduler.crt"].file == copy
    assert certificates.broken(session) == f"{copy}: {words}"
    bring_copies_up_to_date(session)
    assert problems(session) == {}
    assert certificates.broken(session) is None


@pytest.mark.parametrize("path", [AT.scheduler.key, AT.service_account_public])
def test_a_copy_of_what_will_not_do_is_not_told_beside_it(session: Session, path: Path) -> None:
    files.write(session.host.at(path), "junk")

    assert not any("/" in name for name in problems(session))
    assert problems(session)
