"""What kubelets serve with, against a real API: signed by a CA that nobody takes for the API's."""

import contextlib
import socket
import ssl
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.api.rig import Rig
from tests.api.rights import Right, may
from tests.fixed import CONFIG, FACTS, HOST

from kubeception import serving
from kubeception.config.model import KeyAlgorithm
from kubeception.errors import ApiError, KubeceptionError
from kubeception.host import files
from kubeception.host.gateway import Host
from kubeception.kube import kubelet
from kubeception.kube.client import Api, Credential, Object, TokenFile
from kubeception.layout import Pair
from kubeception.phases import control_plane
from kubeception.pki import catalog, issue, request
from kubeception.pki.token import Role
from kubeception.render import join_records, kubelet_serving
from kubeception.render.join_records import NodeRecord
from kubeception.render.objects import NAMESPACE
from kubeception.resources.kubelet_serving import OneServingCa, PublishedServingCas
from kubeception.resources.serving_certificate import ServingCertificate, serving_problem
from kubeception.session import Session

P256 = KeyAlgorithm.ECDSA_P256
AT = CONFIG.layout
KIND = "CertificateSigningRequest"
NODE, ADDRESS = "w1", ip_address("127.0.0.5")
OTHER, ELSEWHERE = "w2", ip_address("127.0.0.6")


@pytest.fixture(scope="module", autouse=True)
def applied(rig: Rig) -> Iterator[None]:
    """What bootstrap applies, and two workers of the cluster's."""
    records = [
        NodeRecord(NODE, "t1", Role.WORKER, (ADDRESS,)),
        NodeRecord(OTHER, "t2", Role.WORKER, (ELSEWHERE,)),
        NodeRecord("gone", "t3", Role.WORKER, (ip_address("127.0.0.7"),), removed="2026-11-01"),
    ]
    mine = [*map(join_records.from_node, records), join_records.index(records)]
    with rig.session(force_conflicts=True) as session:
        for wanted in control_plane.plan(CONFIG, FACTS):
            if wanted.drift(session):
                wanted.apply(session)
        for record in mine:
            session.api.apply(record, force=True)
        yield
        for record in mine:
            about = record["metadata"]
            session.api.delete("ConfigMap", about["name"], namespace=about["namespace"])
        session.api.delete("ConfigMap", kubelet_serving.NAME, namespace=NAMESPACE)


def ca(session: Session, pair: Pair) -> issue.Signer:
    return issue.Signer(*(session.host.at(p).read_bytes() for p in (pair.certificate, pair.key)))


def leaf(session: Session, spec: catalog.CertificateSpec, by: Pair) -> tuple[bytes, bytes]:
    key, now = issue.new_key(P256), datetime.now(UTC)
    return issue.certificate(spec, key, signer=ca(session, by), now=now), key


@pytest.fixture
def worker(rig: Rig, session: Session, tmp_path: Path) -> Iterator[Session]:
    """A worker's own run, whose kubelet serves by what the cluster's CA has signed."""
    own = Host(root=tmp_path / "host")
    certificate, key = leaf(session, catalog.kubelet_client(NODE), AT.pki.ca)
    client = Pair(tmp_path / "crt", tmp_path / "key")
    client.certificate.write_bytes(certificate)
    client.key.write_bytes(key)
    ca_file = session.host.at(AT.pki.ca.certificate).read_bytes()
    files.write(own.at(AT.pki.ca.certificate), ca_file)
    served = leaf(session, catalog.kubelet_server(NODE, ADDRESS), AT.pki.ca)
    files.write(own.at(AT.kubelet.renewed_server), b"".join(served), mode=0o600)
    with Session(rig.config, own, api_port=rig.ports.api, client=client) as reached:
        yield reached


def publish(session: Session, *cas: Pair) -> None:
    """Publish what bootstrap has put into the file."""
    text = b"".join(ca(session, one).certificate for one in cas)
    files.write(session.host.at(AT.pki.kubelet_serving_cas), text)
    PublishedServingCas(AT.pki.kubelet_serving_cas).apply(session)


OWN = ServingCertificate(NODE, ADDRESS, P256)


def decide(session: Session, name: str, *, is_approved: bool = True) -> None:
    """Approve or deny a request, whatever Kubernetes' own controllers write meanwhile."""
    while True:
        found = session.api.get(KIND, name)
        assert found
        try:
            session.api.approve(found, is_approved=is_approved, reason="Tested", message="not you")
        except ApiError as error:
            if error.status != 409:
                raise
        else:
            return


def signed(rig: Rig, session: Session, name: str) -> bytes:
    def certificate() -> str:
        status = (session.api.get(KIND, name) or {}).get("status") or {}
        return str(status.get("certificate") or "")

    decide(session, name)
    rig.until(f"{name} to be signed", lambda: bool(certificate()))
    return b64decode(certificate())


@contextlib.contextmanager
def showing(address: str, pem: Path) -> Iterator[None]:
    """Be a kubelet, as far as TLS: show a certificate at an address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with socket.create_server((address, kubelet.PORT)) as listening:

        def serve() -> None:
            while True:
                with contextlib.suppress(ssl.SSLError, ConnectionError):
                    try:
                        plain, _ = listening.accept()
                    except OSError:  # the block has ended
                        return
                    with plain, context.wrap_socket(plain, server_side=True) as shown:
                        shown.recv(1)

        served = threading.Thread(target=serve)
        served.start()
        try:
            yield
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            served.join()


def refusal(address: str, ca: Path, name: str) -> str:
    """Return why somebody who looks for a name by a CA doesn't take who is at an address for it."""
    context = ssl.create_default_context(cafile=str(ca))
    with socket.create_connection((address, kubelet.PORT), timeout=10) as plain:
        try:
            context.wrap_socket(plain, server_hostname=name).close()
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
    return ""


def test_a_serving_certificate_with_the_apis_name_is_no_api(
    rig: Rig, session: Session, tmp_path: Path
) -> None:
    """Were one approved by mistake: who trusts the cluster's CA takes it for nobody's."""
    name, key, pki = "kubernetes.default.svc", issue.new_key(P256), session.layout.pki
    wanted = {
        "signerName": request.SERVING_SIGNER,
        "usages": ["digital signature", "server auth"],
        "request": b64encode(request.for_serving(key, name, (ADDRESS,))).decode(),
    }
    made = {"apiVersion": "certificates.k8s.io/v1", "kind": KIND, "spec": wanted}
    session.api.create({**made, "metadata": {"name": "as-the-api"}})
    (tmp_path / "shown.pem").write_bytes(signed(rig, session, "as-the-api") + key)

    with showing(str(ADDRESS), tmp_path / "shown.pem"):
        by_cluster = refusal(str(ADDRESS), pki.ca.certificate, name)
        by_own = refusal(str(ADDRESS), pki.kubelet_serving_ca.certificate, name)

    assert "unable to get local issuer certificate" in by_cluster
    assert by_own == ""  # or it would be refused for something else


def test_clients_of_the_api_are_signed_by_the_clusters_ca(rig: Rig, session: Session) -> None:
    key = issue.new_key(P256)
    wanted = {
        "signerName": request.CLIENT_SIGNER,
        "usages": ["digital signature", "client auth"],
        "request": b64encode(request.new(key, NODE)).decode(),
    }
    made = {"apiVersion": "certificates.k8s.io/v1", "kind": KIND, "spec": wanted}
    session.api.create({**made, "metadata": {"name": "as-a-client"}})

    assert issue.issuer(signed(rig, session, "as-a-client")) == "kubernetes"


@pytest.fixture
def approving(rig: Rig) -> Iterator[None]:
    """What the controller does: a kubelet's own requests are approved."""
    ending = threading.Event()

    def approve_all() -> None:
        with rig.session() as session:
            while not ending.wait(0.05):
                for one in session.api.list(KIND):
                    if not one.get("status"):
                        decide(session, one["metadata"]["name"])

    working = threading.Thread(target=approve_all)
    working.start()
    yield
    ending.set()
    working.join()


@pytest.mark.usefixtures("approving")
def test_a_worker_gets_another_certificate_once_the_ca_is_published(
    session: Session, worker: Session
) -> None:
    served = worker.host.real(AT.kubelet.renewed_server)
    before = served.read_bytes()
    assert OWN.drift(worker) is None

    publish(session, AT.pki.kubelet_serving_ca, AT.pki.ca)
    assert OWN.drift(worker)
    OWN.apply(worker)

    now = worker.host.real(AT.kubelet.renewed_server)
    certificate, key = issue.halves(now.read_bytes())
    spec = catalog.kubelet_server(NODE, ADDRESS)
    own = ca(session, AT.pki.kubelet_serving_ca).certificate
    moment = datetime.now(UTC)
    assert issue.certificate_problem(spec, certificate, key, ca=own, now=moment) is None
    assert now.stat().st_mode & 0o777 == 0o600
    assert now.read_bytes() != before
    assert OWN.drift(worker) is None
    # Once every kubelet has moved it is told, and has nothing to do but to remember it.
    kept = worker.host.real(AT.kubelet.renewed_server).read_bytes()
    publish(session, AT.pki.kubelet_serving_ca)
    assert OWN.drift(worker)
    OWN.apply(worker)
    assert OWN.drift(worker) is None
    assert worker.host.real(AT.kubelet.renewed_server).read_bytes() == kept


@pytest.mark.usefixtures("approving")
def test_a_worker_serves_on_while_the_cluster_signs_by_another_ca(
    session: Session, worker: Session
) -> None:
    served = worker.host.real(AT.kubelet.renewed_server).read_bytes()
    publish(session, AT.pki.join_ca, AT.pki.ca)

    with pytest.raises(KubeceptionError, match="still signs it by another CA"):
        OWN.apply(worker)

    assert worker.host.real(AT.kubelet.renewed_server).read_bytes() == served
    assert serving_problem(worker) == "is not by the CA that is published for it"


def test_a_worker_whose_request_is_denied_serves_on(
    rig: Rig, session: Session, worker: Session
) -> None:
    served = worker.host.real(AT.kubelet.renewed_server).read_bytes()
    publish(session, AT.pki.kubelet_serving_ca, AT.pki.ca)

    def deny() -> None:
        with rig.session() as judging:

            def pending() -> list[Object]:
                return [one for one in judging.api.list(KIND) if not one.get("status")]

            rig.until("it to be asked for", lambda: bool(pending()))
            for one in pending():
                decide(judging, one["metadata"]["name"], is_approved=False)

    denying = threading.Thread(target=deny)
    denying.start()
    with pytest.raises(KubeceptionError, match="denied: not you"):
        OWN.apply(worker)
    denying.join()

    assert worker.host.real(AT.kubelet.renewed_server).read_bytes() == served


def test_the_clusters_ca_is_trusted_until_every_kubelet_shows_another_certificate(
    session: Session, tmp_path: Path
) -> None:
    """One that is off counts as one that shows it; one that was removed doesn't count."""
    for name, by in (("own", AT.pki.kubelet_serving_ca), ("former", AT.pki.ca)):
        made = leaf(session, catalog.kubelet_server(NODE, ADDRESS), by)
        (tmp_path / name).write_bytes(b"".join(made))
    both = (AT.pki.kubelet_serving_ca, AT.pki.ca)
    publish(session, *both)
    one = OneServingCa(AT.pki.kubelet_serving_cas, HOST.node)

    def late() -> list[str]:
        return serving.late(session, but=HOST.node)

    assert late() == [NODE, OTHER]
    with showing(str(ADDRESS), tmp_path / "own"):
        assert late() == [OTHER]
        with showing(str(ELSEWHERE), tmp_path / "former"):
            assert late() == [OTHER]
        assert one.drift(session) is None
        assert serving.may_be_one(session, HOST.node) is None
        with showing(str(ELSEWHERE), tmp_path / "own"):
            assert late() == []
            assert serving.may_be_one(session, HOST.node)
            assert one.drift(session) == "every kubelet serves by its own CA"
            one.apply(session)
    assert one.drift(session) is None
    assert serving.may_be_one(session, HOST.node) is None
    assert serving.trusted(session) == [ca(session, AT.pki.kubelet_serving_ca).certificate]


def test_the_keeper_may_look_and_everybody_may_know_the_cas(
    rig: Rig, session: Session, tmp_path: Path
) -> None:
    publish(session, AT.pki.kubelet_serving_ca)
    keepers = session.layout.pki.keeper
    as_keeper = Credential(keepers.certificate, keepers.key)
    with rig.session() as run:
        run.client = keepers
        assert serving.late(run, but=HOST.node) == [NODE, OTHER]
    assert not may(rig, as_keeper, Right("get", "secrets", namespace=join_records.RECORDS))
    assert not may(rig, as_keeper, Right("update", "configmaps", namespace=join_records.RECORDS))

    token = tmp_path / "token"
    token.write_text(rig.kubectl("-n", "default", "create", "token", "default").stdout)
    url = f"https://127.0.0.1:{rig.ports.api}"
    api = Api(url, session.layout.pki.ca.certificate, TokenFile(token))
    try:
        found = api.get("ConfigMap", kubelet_serving.NAME, namespace=NAMESPACE)
        assert found
        assert kubelet_serving.of(found).startswith("-----BEGIN CERTIFICATE-----")
        for verb in ("update", "patch", "delete", "list"):
            right = Right(verb, "configmaps", name=kubelet_serving.NAME, namespace=NAMESPACE)
            assert not may(rig, TokenFile(token), right)
    finally:
        api.close()
