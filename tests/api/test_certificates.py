"""The certificates that we issue are accepted by those who read them, as whom they are meant."""

import base64
import json
import logging
import re
import shutil
import ssl
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from tests.api.network import new
from tests.api.rig import Rig
from tests.api.rights import EVERYTHING, Right, may
from tests.conftest import Note
from tests.fixed import CONFIG, FACTS, HOST
from tests.killed import ratchet
from tests.unit.sessions import Hands, session_of

from kubeception import certificates
from kubeception.config import Config
from kubeception.config.model import KeyAlgorithm, Node
from kubeception.engine import Phase, carry_out
from kubeception.errors import KubeceptionError
from kubeception.host import files
from kubeception.host.gateway import Host
from kubeception.host.process import Completed, run
from kubeception.keeper.observer import CERTIFICATES_EVERY_S, Observer
from kubeception.kube import health
from kubeception.kube.client import Credential
from kubeception.kube.kinds import RBAC
from kubeception.layout import Pair
from kubeception.phases import renew
from kubeception.phases.pki import PKI
from kubeception.pki import catalog, issue, request
from kubeception.render import access
from kubeception.render.objects import NAMESPACE
from kubeception.report import Steps
from kubeception.resources.file import File
from kubeception.resources.keypair import KeyPair
from kubeception.resources.object import Object
from kubeception.session import Session

LOG = logging.getLogger("kubeception.test")

USERS = {
    "admin": ("kubernetes-admin", "kubeadm:cluster-admins"),
    "controller-manager": ("system:kube-controller-manager", None),
    "scheduler": ("system:kube-scheduler", None),
    "kubelet": ("system:node:cp1", "system:nodes"),
}


@pytest.mark.parametrize("user", USERS)
def test_each_kubeconfig_is_somebody(user: str, rig: Rig) -> None:
    said = json.loads(rig.kubectl("auth", "whoami", "-o", "json", user=user).stdout)

    name, group = USERS[user]
    found = said["status"]["userInfo"]
    assert found["username"] == name
    assert set(found["groups"]) == {"system:authenticated", *([group] if group else [])}


def test_the_administrator_may_what_the_bindings_say(rig: Rig, session: Session) -> None:
    """Nothing by the certificate itself, everything by RBAC: so the right can be taken away."""
    for wanted in access.bindings():
        session.api.delete("ClusterRoleBinding", wanted["metadata"]["name"])
    pair = session.layout.pki.admin
    admin = Credential(pair.certificate, pair.key)

    rig.until("no right to be left", lambda: not any(may(rig, admin, one) for one in EVERYTHING))
    for wanted in access.bindings():
        Object(wanted).apply(session)
    rig.until("the binding to count", lambda: all(may(rig, admin, right) for right in EVERYTHING))


def test_a_kubelet_may_no_more_than_a_node(rig: Rig) -> None:
    pair = rig.session().layout.pki.kubelet_client
    kubelet = Credential(pair.certificate, pair.key)

    assert may(rig, kubelet, Right("create", "nodes"))
    assert not may(rig, kubelet, Right("get", "secrets", namespace=NAMESPACE))
    assert not may(rig, kubelet, Right("create", "clusterrolebindings", RBAC))


@pytest.mark.parametrize(("name", "may_ask"), [("cp1", True), ("cp2", False)])
def test_a_kubelet_asks_for_its_own_client_and_no_others(
    rig: Rig, tmp_path: Path, name: str, may_ask: bool
) -> None:
    """Whether it gets it, our controller decides."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, request.NODES),
            x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{name}"),
        ]
    )
    asked = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, SHA256())
    document = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": f"renewal-{name}"},
        "spec": {
            "request": base64.b64encode(asked.public_bytes(Encoding.PEM)).decode(),
            "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
            "usages": ["digital signature", "client auth"],
        },
    }
    path = tmp_path / "csr.json"
    path.write_text(json.dumps(document))

    done = rig.kubectl("create", "-f", str(path), user="kubelet", check=False)

    assert (done.code == 0) is may_ask, done.stderr
    rig.kubectl("delete", "csr", f"renewal-{name}", "--ignore-not-found")


def test_the_superuser_needs_no_binding_and_no_disk(rig: Rig, session: Session) -> None:
    before = sorted(rig.root.rglob("*.crt"))

    assert session.api.get("Namespace", "kube-system")
    assert session.api.get("ClusterRole", "cluster-admin")
    assert sorted(rig.root.rglob("*.crt")) == before


def test_etcd_takes_our_client_and_no_stranger(rig: Rig, session: Session) -> None:
    at = session.layout.pki
    stranger = replace(rig.etcd, certificate=at.admin.certificate, key=at.admin.key)

    assert rig.etcd.problem() is None
    assert stranger.problem()
    other_ca = replace(rig.etcd, ca=at.ca.certificate)
    assert "certificate" in str(other_ca.problem())


def test_etcd_says_its_version_and_when_a_key_changed(rig: Rig, session: Session) -> None:
    lease = "/registry/leases/kube-system/kube-controller-manager"

    assert rig.etcd.version().startswith("3.")
    assert rig.etcd.mod_revisions("no such key") == (0,)
    rig.until("the Lease to be written", lambda: rig.etcd.mod_revisions(lease) > (0,))
    first = rig.etcd.mod_revisions(lease)
    rig.until("the Lease to be renewed", lambda: rig.etcd.mod_revisions(lease) > first)


def test_an_etcd_that_is_not_there_is_a_problem_in_words(rig: Rig) -> None:
    nobody = replace(rig.etcd, port=rig.spare_port())

    assert "refused" in str(nobody.problem())
    with pytest.raises(KubeceptionError, match=f"etcd on port {nobody.port}: .*refused"):
        nobody.version()


def test_an_api_server_is_ready_by_our_ca_alone(rig: Rig, session: Session) -> None:
    at, port = session.layout.pki, rig.ports.api

    assert health.problem(port, at.ca.certificate) is None
    assert "certificate verify failed" in str(health.problem(port, at.etcd_ca.certificate))
    assert "no such file" in str(health.problem(port, at.ca.certificate.with_name("none")))


def test_another_answer_than_200_is_not_ready(rig: Rig, session: Session) -> None:
    ca = session.layout.pki.ca.certificate

    found = health.problem(rig.ports.api, ca, path="/none")
    # Whoever may do nothing there is not even told that there is nothing.
    assert found in {f"port {rig.ports.api}: /none answers {status}" for status in (403, 404)}
    nobody = rig.spare_port()
    assert "refused" in str(health.problem(nobody, ca))
    etcd = health.problem(rig.ports.etcd, ca)
    assert etcd and "certificate verify failed" in etcd


def carried_out(session: Session, phase: Phase) -> list[str]:
    with Steps(LOG) as steps:
        return carry_out([phase], session, gather=lambda: FACTS, steps=steps).changes


def renewed(session: Session, *asked: str) -> list[str]:
    """Renew, and return what was renewed and why; pods' copies follow."""
    phase, _ = renew.renewed(frozenset(asked))
    leaf = "renew: /etc/kubernetes/pki/"
    changes = carried_out(session, phase)
    assert [one for one in PKI.plan(CONFIG, FACTS) if str(one.drift(session)).endswith(" is")] == []
    return [one.removeprefix(leaf) for one in changes if one.startswith(leaf)]


def shorten(session: Session, at: Pair, left: timedelta) -> None:
    """Put a leaf in place that has so much left, for the key that is there."""
    entry, ca = next(
        row for row in catalog.leaves(CONFIG, HOST.node, HOST.address) if row[0].at == at
    )
    signer = issue.Signer(
        session.host.at(ca.certificate).read_bytes(), session.host.at(ca.key).read_bytes()
    )
    issued = session.host.clock.now() - timedelta(days=1)
    spec = replace(entry.spec, lifetime=timedelta(days=1) + left)
    key = session.host.at(at.key).read_bytes()
    made = issue.certificate(spec, key, signer=signer, now=issued)
    files.write(session.host.at(at.certificate), made)


def problems(session: Session) -> dict[str, str]:
    """Return what is found wrong; the rig's kubeconfigs name its files by other paths."""
    config = Config(node=Node(name=HOST.node, address=str(HOST.address)))
    found = certificates.look(Session(config, session.host))
    return {
        row.name: row.problem for row in found if row.problem and not row.name.endswith(".conf")
    }


def served(port: int) -> bytes:
    return ssl.get_server_certificate(("127.0.0.1", port)).strip().encode()


@pytest.fixture
def whole(rig: Rig) -> Iterator[None]:
    """Whatever a test does to leaves of the rig is mended by the next one, at the latest."""
    yield
    with rig.session() as session:
        carried_out(session, Phase("pki", PKI.title, _leaves))


def _leaves(config: Config, facts: object) -> list[KeyPair]:
    return [one for one in PKI.plan(config, FACTS) if isinstance(one, KeyPair)]


AT = CONFIG.layout.pki


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize("left", [timedelta(days=10), timedelta(hours=-1)], ids=str)
def test_the_api_server_serves_a_renewed_certificate_without_a_restart(
    rig: Rig, session: Session, left: timedelta
) -> None:
    program, ca = rig.programs["kube-apiserver"].running.pid, session.layout.pki.ca.certificate
    served_from = session.layout.pki.apiserver.certificate
    shorten(session, AT.apiserver, left)
    short = served_from.read_bytes().strip()
    rig.until("the short one to be served", lambda: served(rig.ports.api) == short)
    assert bool(health.problem(rig.ports.api, ca)) is (left < timedelta(0))
    assert ("apiserver" in problems(session)) is (left < timedelta(0))

    assert [one.partition(":")[0] for one in renewed(session)] == ["apiserver.crt"]

    fresh = served_from.read_bytes().strip()
    assert fresh != short and not problems(session)
    rig.until("the new one to be served", lambda: served(rig.ports.api) == fresh)
    assert health.problem(rig.ports.api, ca) is None
    assert rig.programs["kube-apiserver"].running.pid == program
    assert rig.programs["kube-apiserver"].problem() is None
    assert renewed(session) == []


@pytest.mark.usefixtures("whole")
def test_an_old_kubeconfig_goes_on_working(rig: Rig, session: Session) -> None:
    before = session.layout.kubernetes.admin.read_text()
    shorten(session, AT.admin, timedelta(hours=-1))
    assert set(problems(session)) == {"admin"}
    refused = rig.kubectl("get", "namespaces", check=False)
    assert refused.code and "logged in" in refused.stderr

    assert [one.partition(":")[0] for one in renewed(session)] == ["admin.crt"]

    assert session.layout.kubernetes.admin.read_text() == before
    rig.kubectl("auth", "whoami")


@pytest.mark.usefixtures("whole")
def test_etcd_serves_and_takes_renewed_certificates_without_a_restart(
    rig: Rig, session: Session
) -> None:
    program = rig.programs["etcd"].running.pid
    for at in (AT.etcd_server, AT.etcd_healthcheck_client, AT.apiserver_etcd_client):
        shorten(session, at, timedelta(hours=-1))
    assert "expired" in str(rig.etcd.problem())

    carried_out(session, renew.EXPIRED)

    assert rig.etcd.problem() is None
    assert rig.programs["etcd"].running.pid == program
    assert not problems(session)
    rig.kubectl("get", "namespaces")


@pytest.mark.usefixtures("whole")
def test_what_is_asked_for_is_renewed_for_its_key(rig: Rig, session: Session) -> None:
    at = session.layout.pki
    shorten(session, AT.scheduler, timedelta(days=300))
    key, certificate = at.scheduler.key.read_bytes(), at.scheduler.certificate.read_bytes()
    assert renewed(session) == []

    assert renewed(session, "scheduler") == ["scheduler.crt: has 299 days left"]

    assert at.scheduler.key.read_bytes() == key
    assert at.scheduler.certificate.read_bytes() != certificate
    rig.kubectl("auth", "whoami", user="scheduler")
    assert renewed(session, "scheduler") == []


@pytest.mark.usefixtures("whole")
def test_what_is_wrong_is_mended_by_a_renewal(rig: Rig, session: Session) -> None:
    at = session.layout.pki
    files.write(at.keeper.certificate, at.admin.certificate.read_bytes())
    files.write(at.join.certificate, at.kubelet_server.certificate.read_bytes())
    files.write(at.join.key, at.kubelet_server.key.read_bytes(), mode=0o600)
    assert problems(session) == {
        "join": "is not signed by its CA",
        "keeper": "does not belong to its key",
    }

    assert [one.partition(":")[0] for one in renewed(session)] == ["keeper.crt", "join.crt"]
    assert problems(session) == {}


def check(config: Path, *words: str) -> Completed:
    argv = [sys.executable, "-m", "kubeception", "certs", "check", f"--config={config}", *words]
    return run(argv, check=False)


def test_the_command_ends_with_1_where_something_is_wrong(session: Session, tmp_path: Path) -> None:
    here = Session(CONFIG, Host(tmp_path))
    at = here.layout.pki
    shutil.copytree(session.layout.pki.folder, at.folder)
    config = tmp_path / "config.toml"
    config.write_text(
        f'[node]\nname = "{HOST.node}"\naddress = "{HOST.address}"\n'
        f'[secrets]\npath = "{at.folder}"\n[etcd]\nconfig_path = "{at.etcd_folder}"\n'
    )
    for kubeconfig in at.folder.glob("kubeconfig*"):
        kubeconfig.unlink()
    good = check(config, "-o", "json")
    ended = datetime.now(UTC) - timedelta(hours=1)
    shorten(here, AT.etcd_peer, timedelta(hours=-1))
    bad, table = check(config, "-o", "json"), check(config)

    said = json.loads(good.stdout)
    assert (good.code, said["ok"]) == (0, True)
    assert {one["name"] for one in said["certificates"]} >= {"ca", "apiserver", "etcd/server"}
    assert (bad.code, table.code) == (1, 1)
    first = json.loads(bad.stdout)["certificates"][0]
    assert (first["name"], first["days"], first["issuer"]) == ("etcd/peer", -1, "etcd-ca")
    days = {f"{ended + timedelta(minutes=more):%Y-%m-%d}" for more in (0, 1)}
    assert first["problem"] in {f"expired on {day}" for day in days}
    head, line, *_ = table.stdout.splitlines()
    assert head.split() == ["NAME", "DAYS", "EXPIRES", "ISSUER", "PROBLEM", "FILE"]
    assert line.startswith("etcd/peer") and "expired on" in line
    others = table.stdout.splitlines()[2:]
    assert others and all(re.search(r"Z  +\S+  +ok  +/", other) for other in others)


def test_a_host_without_certificates_has_no_table(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        f'[node]\nname = "{HOST.node}"\naddress = "{HOST.address}"\n'
        f'[secrets]\npath = "{tmp_path}/pki"\n[etcd]\nconfig_path = "{tmp_path}/etcd"\n'
    )

    found, told = check(config), check(config, "-o", "json")

    assert (found.code, found.stdout) == (1, "there is no certificate on this host\n")
    assert json.loads(told.stdout) == {"ok": False, "certificates": []}


def with_certificates(root: Path, hands: Hands) -> Session:
    """Return a host that has its certificates, and of which nothing runs."""
    session = session_of(root, hands=hands)
    for one in PKI.plan(CONFIG, FACTS):
        if isinstance(one, KeyPair | File):
            one.apply(session)
    return session


def test_a_renewal_killed_at_every_step_is_finished_by_the_next_one(
    tmp_path: Path, note: Note
) -> None:
    hands = Hands()
    session = with_certificates(tmp_path / "host", hands)
    own = renew.kubelets_own(CONFIG, FACTS)
    key = issue.new_key(KeyAlgorithm.ECDSA_P256)
    at = session.layout.pki.ca
    signer = issue.Signer(at.certificate.read_bytes(), at.key.read_bytes())
    made = issue.certificate(own.spec, key, signer=signer, now=session.host.clock.now())
    files.write(session.host.at(own.current), made + key, mode=0o600)
    keys = {path: path.read_bytes() for path in session.host.root.rglob("*.key")}
    hands.sleep(timedelta(days=366).total_seconds())
    phase, _ = renew.renewed(frozenset())

    steps = ratchet(lambda: carried_out(session, phase), log=tmp_path / "log")

    assert carried_out(session, phase) == []
    assert {path: path.read_bytes() for path in keys} == keys
    assert issue.halves(session.host.real(own.current).read_bytes())[1] == key
    note(f"certificates renewed: killed at each of {len(steps)} steps")
    assert len(steps) > 3 * len(catalog.names(CONFIG))


def test_the_keeper_reads_certificates_at_its_start_and_once_an_hour(tmp_path: Path) -> None:
    hands = Hands()
    session = with_certificates(tmp_path, hands)
    why = "certificate admin has 14 days left"
    hands.sleep(timedelta(days=350, hours=1).total_seconds())

    with new():
        watch = Observer(session, HOST.node)
        assert watch.observe().expiring == why
        carried_out(session, Phase("pki", PKI.title, _leaves))
        assert watch.observe().expiring == why
        watch.forget()  # a bootstrap has been made
        assert watch.observe().expiring is None

        hands.sleep(timedelta(days=350).total_seconds())
        assert watch.observe().expiring
        watch.forget()
        hands.sleep(CERTIFICATES_EVERY_S - 1)
        assert watch.observe().expiring is None
        hands.sleep(1)
        assert watch.observe().expiring


def test_the_keeper_goes_on_with_its_own_renewed_certificate(tmp_path: Path) -> None:
    with new(), with_certificates(tmp_path, Hands()) as session:
        session.client = session.layout.pki.keeper
        watch = Observer(session, HOST.node)
        before = session.api
        watch.observe()
        assert session.api is before

        shorten(session, AT.keeper, timedelta(days=300))
        watch.observe()
        after = session.api
        assert after is not before
        watch.observe()
        assert session.api is after
