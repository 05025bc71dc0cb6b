"""What is lost of the CAs and of the ServiceAccount key: named with the way on, or nothing."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fixed import CONFIG, HOST, NOW
from tests.unit.sessions import keys_and_certificates, session_of

from kubeception import authorities, losses
from kubeception.errors import PreflightError
from kubeception.facts import Accept
from kubeception.gather import with_belongings
from kubeception.host import files
from kubeception.kept import identity
from kubeception.pki import catalog, issue
from kubeception.resources.keypair import KeyPair
from kubeception.session import Session

AT = CONFIG.layout
CA, ETCD_CA, FRONT = AT.pki.ca, AT.pki.etcd_ca, AT.pki.front_proxy_ca
SERVING_CA = AT.pki.kubelet_serving_ca
SA, PUB = AT.pki.service_account_key, AT.pki.service_account_public


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host with all its keys and kubeconfigs, and a record of them."""
    root = tmp_path_factory.mktemp("host")
    make(session_of(root))
    return root


@pytest.fixture
def session(made: Path, tmp_path: Path) -> Session:
    """A copy of it."""
    shutil.copytree(made, tmp_path / "host")
    return session_of(tmp_path / "host")


def make(session: Session) -> None:
    for wanted in keys_and_certificates():
        wanted.apply(session)
    known = with_belongings(HOST, session).remembered_with_keys
    files.write(session.layout.member, identity.text(replace(known, token="t")))


def gone(session: Session, *paths: Path) -> None:
    for path in paths:
        session.host.at(path).unlink()


def holds(session: Session, path: Path, content: bytes) -> None:
    files.write(session.host.at(path), content)


def read(session: Session, path: Path) -> bytes:
    return session.host.at(path).read_bytes()


def another_key() -> bytes:
    return issue.new_key(CONFIG.certificates.key_algorithm)


def signed_anew(session: Session, key: bytes) -> None:
    """Put a certificate of the cluster's CA in place that is for a key."""
    [entry] = [one for one in authorities.entries(session) if one.at == CA]
    holds(session, CA.key, key)
    holds(session, CA.certificate, issue.certificate(entry.spec, key, signer=None, now=NOW))


def of_another_cluster(session: Session) -> None:
    signed_anew(session, another_key())


def halves(session: Session, key: bytes) -> None:
    holds(session, SA, key)
    holds(session, PUB, issue.public_key(key))


CAS_FILE = (AT.pki.kubelet_serving_cas,)


def known_by_name_alone(session: Session) -> None:
    """Leave of the CA of kubelets nothing but its name in the record."""
    gone(session, *CAS_FILE, AT.pki.kubelet_server.certificate, *vars(SERVING_CA).values())
    record = read(session, AT.member)
    holds(session, AT.member, record.replace(b"BEGIN CERTIFICATE", b"BEGIN NOTHING"))


Way = Callable[[Session], object]
# What happens, the file that is named, what is said of it, and as what it can be accepted.
LOST: dict[str, tuple[Way, Path, str, Accept | None]] = {
    "another key of ServiceAccounts": (
        lambda session: holds(session, SA, another_key()),
        SA,
        f"is another key than that of {PUB}",
        Accept.OTHER_SERVICE_ACCOUNT_KEY,
    ),
    "both halves of another one": (
        lambda session: halves(session, another_key()),
        SA,
        f"is another key than that of {AT.member}",
        Accept.OTHER_SERVICE_ACCOUNT_KEY,
    ),
    "no key of ServiceAccounts": (
        lambda session: gone(session, SA),
        SA,
        f"is missing, while {PUB} is there",
        Accept.NEW_SERVICE_ACCOUNT_KEY,
    ),
    "neither half of it": (
        lambda session: gone(session, SA, PUB),
        SA,
        f"is missing, while {AT.member} knows of it",
        Accept.NEW_SERVICE_ACCOUNT_KEY,
    ),
    "half a key of ServiceAccounts": (
        lambda session: holds(session, SA, read(session, SA)[:60]),
        SA,
        "is no private key",
        None,
    ),
    "no key of the CA": (
        lambda session: gone(session, CA.key),
        CA.key,
        "is gone, and this host had it",
        Accept.NEW_CA,
    ),
    "another CA": (
        of_another_cluster,
        CA.certificate,
        f"is not the CA that this host had: {AT.member}",
        Accept.OTHER_CA,
    ),
    "the key of another CA": (
        lambda session: holds(session, FRONT.key, read(session, ETCD_CA.key)),
        FRONT.certificate,
        f"does not belong to its key, {FRONT.key}",
        None,
    ),
    "the key of a CA that has to sign": (
        lambda session: gone(session, ETCD_CA.key, AT.pki.etcd_server.certificate),
        ETCD_CA.key,
        "is gone, and this host had it",
        Accept.NEW_CA,
    ),
    "half a key of a CA": (
        lambda session: holds(session, ETCD_CA.key, read(session, ETCD_CA.key)[:60]),
        ETCD_CA.key,
        "is no private key",
        None,
    ),
    "a CA that only what it signed knows of": (
        lambda session: gone(session, AT.member, ETCD_CA.certificate, ETCD_CA.key),
        ETCD_CA.certificate,
        "which it signed, is there",
        Accept.NEW_CA,
    ),
    "the CA of kubelets, that only what it signed knows of": (
        lambda session: gone(session, AT.member, *CAS_FILE, SERVING_CA.certificate, SERVING_CA.key),
        SERVING_CA.certificate,
        "which it signed, is there",
        Accept.NEW_CA,
    ),
    "the CA of kubelets, that only the record knows of": (
        known_by_name_alone,
        SERVING_CA.certificate,
        f"is missing, while {AT.member} knows of it",
        Accept.NEW_CA,
    ),
    "the key of the CA of kubelets": (
        lambda session: gone(session, SERVING_CA.key),
        SERVING_CA.key,
        "is gone, and this host had it",
        Accept.NEW_CA,
    ),
    "a CA that only kubeconfigs know of": (
        lambda session: gone(session, AT.member, *leaves_of(CA), CA.certificate, CA.key),
        CA.certificate,
        f"is missing, while {AT.kubernetes.admin} is there",
        Accept.NEW_CA,
    ),
}


def leaves_of(ca: object) -> list[Path]:
    table = catalog.entries(CONFIG, HOST.node, HOST.address)
    return [one.at.certificate for one in table if one.issuer == ca]


@pytest.mark.parametrize("name", LOST)
def test_what_is_lost_is_named_with_the_way_on_and_stays_as_it_is(
    name: str, session: Session
) -> None:
    happen, path, words, accepted_as = LOST[name]
    happen(session)
    before = there(session)

    found = list(losses.of_keys(session))

    assert [(one.path, one.accepted_as) for one in found] == [(path, accepted_as)]
    assert words in found[0].problem
    if accepted_as:
        assert f"kubeception bootstrap --accept {accepted_as}" in found[0].hint
    with pytest.raises(PreflightError):
        losses.require(session)
    assert there(session) == before


def of_before(session: Session) -> None:
    """Leave a host as a version without a CA of kubelets has made it."""
    gone(session, *CAS_FILE, *vars(SERVING_CA).values(), AT.member)
    [entry] = [
        one
        for one in catalog.entries(CONFIG, HOST.node, HOST.address)
        if one.at == AT.pki.kubelet_server
    ]
    gone(session, entry.at.certificate)
    KeyPair(replace(entry, issuer=CA), CONFIG.certificates.key_algorithm).apply(session)
    known = with_belongings(HOST, session).remembered_with_keys
    holds(session, AT.member, identity.text(replace(known, token="t")).encode())


NOT_LOST: dict[str, Way] = {
    "nothing": lambda session: None,
    "the certificate of a CA alone, which the record has": lambda session: gone(
        session, ETCD_CA.certificate
    ),
    "a CA's certificate that was signed anew for its key": lambda session: signed_anew(
        session, read(session, CA.key)
    ),
    "the public half of a key that is there": lambda session: gone(session, PUB),
    "a CA of kubelets that an earlier version didn't have": of_before,
    "the certificate of the CA of kubelets, which the file that trusts it has": lambda session: (
        gone(session, AT.member, SERVING_CA.certificate)
    ),
    "the record alone": lambda session: gone(session, AT.member),
    "the key of a CA that only signs leaves that are there": lambda session: gone(
        session, ETCD_CA.key
    ),
}


@pytest.mark.parametrize("name", NOT_LOST)
def test_what_can_be_put_back_or_told_is_not_lost(name: str, session: Session) -> None:
    NOT_LOST[name](session)

    assert list(losses.of_keys(session)) == []


@pytest.mark.parametrize("name", [name for name, row in LOST.items() if row[3]])
def test_what_a_person_accepts_is_lost_no_more(name: str, session: Session) -> None:
    """Once all is made again."""
    happen, _, _, accepted_as = LOST[name]
    happen(session)
    assert accepted_as is not None
    accepting = replace(session, accepted=frozenset({accepted_as}))

    losses.accept(accepting)
    make(accepting)

    assert list(losses.of_keys(session)) == []
    for wanted in keys_and_certificates():
        assert wanted.drift(session) is None


def test_a_whole_folder_of_keys_may_be_given_up(session: Session) -> None:
    shutil.rmtree(session.host.at(AT.pki.folder))
    ways = frozenset({Accept.NEW_CA, Accept.NEW_SERVICE_ACCOUNT_KEY})
    accepting = replace(session, accepted=ways)

    authorities.put_all_back(session)
    assert {loss.accepted_as for loss in losses.of_keys(session)} == ways
    losses.accept(accepting)
    make(accepting)

    assert list(losses.of_keys(session)) == []
    assert read(session, CA.certificate) != read(session, CA.certificate.with_name("ca.crt.old"))


def test_what_the_kubelet_has_of_a_ca_that_is_given_up_is_put_aside(session: Session) -> None:
    own = AT.kubelet.renewed_client
    holds(session, own, read(session, AT.pki.kubelet_client.certificate))
    gone(session, CA.key)
    accepting = replace(session, accepted=frozenset({Accept.NEW_CA}))

    losses.accept(accepting)

    assert not session.host.at(own).exists()
    assert session.host.at(own.with_name(f"{own.name}.old")).exists()
    make(accepting)
    assert list(losses.of_keys(session)) == []


def test_keys_behind_links_of_the_host_are_seen_and_kept(session: Session) -> None:
    """Links that lead nowhere for a container that sees the host's root elsewhere."""
    moved = (CA.certificate, CA.key, ETCD_CA.key, SA, PUB, AT.pki.apiserver.key)
    for path in moved:
        to = Path("/secure", path.name if path != ETCD_CA.key else "etcd-ca.key")
        session.host.at(to).parent.mkdir(exist_ok=True)
        session.host.at(path).rename(session.host.at(to))
        session.host.at(path).symlink_to(to)

    assert list(losses.of_keys(session)) == []
    assert [str(one) for one in keys_and_certificates() if one.drift(session)] == []
    assert "ca" in with_belongings(HOST, session).authorities


def test_a_ca_that_is_new_in_this_version_is_made_where_there_was_none(session: Session) -> None:
    of_before(session)

    make(session)

    assert read(session, SERVING_CA.certificate)
    assert list(losses.of_keys(session)) == []
    gone(session, *CAS_FILE, *vars(SERVING_CA).values())
    assert [loss.path for loss in losses.of_keys(session)] == []  # the record has its certificate
    authorities.put_all_back(session)
    assert [loss.path for loss in losses.of_keys(session)] == [SERVING_CA.key]


def there(session: Session) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in session.host.root.rglob("*") if path.is_file()}
