"""What every kind of wanted thing on a host promises: drift, apply, no drift, and nothing twice."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.fixed import CONFIG, FACTS, HOST
from tests.unit.sessions import session_of

from kubeception.config.model import KeyAlgorithm
from kubeception.engine import Phase, dry_run
from kubeception.host import files
from kubeception.phases import renew
from kubeception.pki import catalog, issue
from kubeception.pki.catalog import Entry
from kubeception.render import pod_folder
from kubeception.resources import Resource
from kubeception.resources.file import File
from kubeception.resources.keypair import InItsTime, KeyPair, ServiceAccountKey
from kubeception.resources.kubelet_client import LiveKubeletClient
from kubeception.resources.pod_folder import PodFolder
from kubeception.session import Session

AT = CONFIG.layout.pki
P256 = KeyAlgorithm.ECDSA_P256
TABLE = {entry.at: entry for entry in catalog.entries(CONFIG, HOST.node, HOST.address)}
CA, ADMIN = TABLE[AT.ca], TABLE[AT.admin]
SECRET = File(Path("/etc/kubernetes/secret"), "hush", mode=0o600)
GONE = File(Path("/etc/kubernetes/manifests/old.yaml"), None)
SERVICE_ACCOUNT = ServiceAccountKey(AT.service_account_key, AT.service_account_public, P256)


COPIES = PodFolder(
    pod_folder.PodFolder(
        Path("/etc/kubernetes/kubeception/it"), (AT.folder,), (AT.ca.certificate, AT.ca.key)
    )
)
OWN = renew.kubelets_own(CONFIG, FACTS)
PAST = timedelta(seconds=-1)


def pair(entry: Entry) -> KeyPair:
    return KeyPair(entry, P256)


@dataclass(frozen=True)
class Case:
    """A wanted thing, and what has to be there before it."""

    wanted: Resource
    before: Callable[[Session], None] = lambda _: None


def with_ca(session: Session) -> None:
    pair(CA).apply(session)


def with_old_manifest(session: Session) -> None:
    files.write(session.host.at(GONE.path), "old")


def with_expired(session: Session) -> None:
    with_ca(session)
    at, key = CONFIG.layout.pki, issue.new_key(P256)
    signer = issue.Signer(
        *(session.host.at(p).read_bytes() for p in (at.ca.certificate, at.ca.key))
    )
    now = session.host.clock.now()
    admin, own = (
        issue.certificate(replace(spec, lifetime=PAST), key, signer=signer, now=now)
        for spec in (ADMIN.spec, OWN.spec)
    )
    files.write(session.host.at(at.admin.certificate), admin)
    files.write(session.host.at(at.admin.key), key)
    files.write(session.host.at(OWN.current), own + key)


# Where nothing is there, nothing is wanted of these.
CONTENT_WITH_NOTHING = (COPIES, GONE, OWN, LiveKubeletClient(OWN), InItsTime(pair(ADMIN)))
CASES = {
    "file": Case(File(Path("/etc/a/b/file"), "text")),
    "secret file": Case(SECRET),
    "absent file": Case(GONE, with_old_manifest),
    "ca": Case(pair(CA)),
    "leaf": Case(pair(ADMIN), with_ca),
    "copies for a pod": Case(COPIES, with_ca),
    "service account key": Case(SERVICE_ACCOUNT),
    "leaf with time left": Case(replace(pair(ADMIN), at_least=timedelta(days=30)), with_expired),
    "leaf that has not expired": Case(InItsTime(pair(ADMIN)), with_expired),
    "the kubelet's own": Case(OWN, with_expired),
    "the kubelet's own at a boot": Case(LiveKubeletClient(OWN), with_expired),
}
each_kind = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))


def contents(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@each_kind
def test_drift_then_apply_then_no_drift(case: Case, tmp_path: Path) -> None:
    session = session_of(tmp_path)
    case.before(session)

    assert case.wanted.drift(session)
    case.wanted.apply(session)
    assert case.wanted.drift(session) is None


@each_kind
def test_looking_changes_nothing(case: Case, tmp_path: Path) -> None:
    session = session_of(tmp_path)
    case.before(session)

    before = contents(tmp_path)
    case.wanted.drift(session)
    assert contents(tmp_path) == before


@each_kind
def test_drift_tolerates_that_nothing_is_there(case: Case, tmp_path: Path) -> None:
    found = case.wanted.drift(session_of(tmp_path / "nowhere"))

    assert found == (None if case.wanted in CONTENT_WITH_NOTHING else "missing")


def test_messages_name_a_path_that_can_be_looked_at() -> None:
    assert all(str(case.wanted).startswith(("/etc/", "/var/lib/")) for case in CASES.values())


@each_kind
def test_apply_twice_is_the_same_as_once(case: Case, tmp_path: Path) -> None:
    """A run that was killed before its check applies again; no key may change by that."""
    session = session_of(tmp_path)
    case.before(session)
    case.wanted.apply(session)
    before = contents(tmp_path)

    case.wanted.apply(session)
    assert contents(tmp_path) == before
    assert case.wanted.drift(session) is None


@each_kind
def test_a_dry_run_says_the_drift_shows_no_secret_and_changes_nothing(
    case: Case, tmp_path: Path
) -> None:
    session = session_of(tmp_path)
    case.before(session)
    before = contents(tmp_path)
    phase = Phase("it", "making it", lambda _config, _facts: [case.wanted])

    preview = dry_run([phase], session, gather=lambda: FACTS)

    assert [change.drift for change in preview.changes] == [case.wanted.drift(session)]
    assert preview.not_planned == []
    assert contents(tmp_path) == before
    assert not any(word in str(preview) for word in ("hush", "PRIVATE KEY"))
