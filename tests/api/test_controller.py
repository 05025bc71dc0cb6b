"""The controller against a real API: what it approves is signed, and what it denies is told."""

import contextlib
import subprocess
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID
from tests.api.rig import Rig
from tests.api.rights import EVERYTHING, Right, error_of, may
from tests.conftest import Note
from tests.fixed import HOST, SETTINGS

from kubeception.admin import nodes, tokens
from kubeception.config.model import KeyAlgorithm
from kubeception.controller.leftovers import KEPT
from kubeception.errors import ApiError
from kubeception.kube.client import Api, Credential, TokenFile
from kubeception.kube.kinds import RBAC
from kubeception.pki import catalog, issue, request
from kubeception.pki.issue import Signer
from kubeception.pki.request import CLIENT_SIGNER, SERVING_SIGNER
from kubeception.pki.token import Claim, Token
from kubeception.render import (
    cluster_controller,
    flannel,
    join_records,
    join_service,
    keeper,
    objects,
)
from kubeception.render.join_records import CLAIMS, RECORDS, ClaimRecord
from kubeception.render.objects import NAMESPACE
from kubeception.session import Session

SYSTEM = ("-n", "kube-system")
CROWD = 200
KIND = "CertificateSigningRequest"


@pytest.fixture(scope="module", autouse=True)
def applied(rig: Rig) -> None:
    """Accounts, rights, namespaces and the Lease, as bootstrap makes them."""
    rig.apply_everything()


def account(rig: Rig, name: str, folder: Path) -> Path:
    made = rig.kubectl(*SYSTEM, "create", "token", name, "--duration=1h")
    file = folder / name
    file.write_text(made.stdout)
    return file


@contextlib.contextmanager
def running(rig: Rig, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The controller as a process, with nothing but its own account's rights."""
    url = f"https://127.0.0.1:{rig.ports.api}"
    ca = rig.session().layout.pki.ca.certificate
    words = [
        *cluster_controller.arguments_of(SETTINGS, ca=ca),
        f"--api={url}",
        f"--token={account(rig, cluster_controller.NAME, folder)}",
    ]
    log = folder / "controller.log"
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "kubeception", *words], stdout=sink, stderr=sink
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        print(log.read_text())


@pytest.fixture(scope="module")
def controller(
    rig: Rig, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["subprocess.Popen[bytes]"]:
    with running(rig, tmp_path_factory.mktemp("controller")) as process:
        yield process


@pytest.fixture(scope="module")
def service(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The API as the join service."""
    token = account(rig, join_service.NAME, tmp_path_factory.mktemp("service"))
    url = f"https://127.0.0.1:{rig.ports.api}"
    api = Api(url, rig.session().layout.pki.ca.certificate, TokenFile(token))
    yield api
    api.close()


@dataclass(frozen=True)
class Host:
    """A host with a token, a key and the request for its certificate."""

    token: Token
    node: str
    address: str
    key: bytes
    request: bytes

    @property
    def claim(self) -> Claim:
        digest = request.digest(self.request)
        return Claim(self.token.id, self.node, (self.address,), b"\1" * 32, b"\2" * 32, digest)


def host(session: Session, node: str, address: str, *, rejoin: bool = False) -> Host:
    name = node if rejoin else None
    token, _ = tokens.create(session, node=name, rejoin=rejoin, ttl=timedelta(hours=1))
    key = issue.new_key(KeyAlgorithm.ECDSA_P256)
    return Host(token, node, address, key, request.new(key, node))


def knock(service: Api, host: Host, *, proof: bytes | None = None) -> str:
    """Do what the join service does for a host; return the name of the request."""
    claim = host.claim
    record = ClaimRecord(claim, proof or host.token.sign(claim), host.request)
    service.create(join_records.from_claim(record))
    name = join_records.request_name(claim.token)
    ask(service, name, CLIENT_SIGNER, host.request, "client auth")
    return name


def ask(api: Api, name: str, signer: str, pem: bytes, usage: str) -> None:
    api.create(
        {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": KIND,
            "metadata": {"name": name},
            "spec": {
                "signerName": signer,
                "usages": ["digital signature", usage],
                "request": b64encode(pem).decode(),
            },
        }
    )


def signed(rig: Rig, api: Api, name: str) -> bytes:
    def certificate() -> str:
        status = (api.get(KIND, name) or {}).get("status") or {}
        return str(status.get("certificate") or "")

    rig.until(f"{name} to be signed", lambda: bool(certificate()))
    return b64decode(certificate())


def denied(rig: Rig, api: Api, name: str) -> str:
    def conditions() -> list[dict[str, str]]:
        found: list[dict[str, str]] = ((api.get(KIND, name) or {}).get("status") or {}).get(
            "conditions"
        ) or []
        return found

    rig.until(f"{name} to be decided", lambda: bool(conditions()))
    [condition] = conditions()
    assert condition["type"] == "Denied", condition
    return condition["reason"]


@pytest.mark.usefixtures("controller")
def test_a_host_with_a_token_becomes_a_node_and_serves_by_its_own_name(
    rig: Rig, session: Session, service: Api, tmp_path: Path, note: Note
) -> None:
    joining = host(session, "w1", "10.7.0.2")
    began = time.monotonic()
    certificate = signed(rig, session.api, knock(service, joining))
    note(f"a first certificate after {time.monotonic() - began:.2f} s")

    record = session.api.get("ConfigMap", join_records.node_name("w1"), namespace=RECORDS)
    assert record
    assert join_records.to_node(record).addresses == (ip_address("10.7.0.2"),)

    # From here on it is the kubelet that asks.
    at = Credential(tmp_path / "crt", tmp_path / "key")
    at.certificate.write_bytes(certificate)
    at.key.write_bytes(joining.key)
    kubelet = Api(f"https://127.0.0.1:{rig.ports.api}", rig.session().layout.pki.ca.certificate, at)
    try:
        own = [x509.DNSName("w1"), x509.IPAddress(ip_address("10.7.0.2"))]
        ask(kubelet, "w1-serving", SERVING_SIGNER, serving(joining, own), "server auth")
        served = x509.load_pem_x509_certificate(signed(rig, session.api, "w1-serving"))
        assert (
            list(served.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
            == own
        )

        stolen = [x509.DNSName("w1"), x509.IPAddress(ip_address(HOST.address))]
        ask(kubelet, "w1-stolen", SERVING_SIGNER, serving(joining, stolen), "server auth")
        assert denied(rig, session.api, "w1-stolen") == "BadRequest"

        # It renews with what it has.
        ask(kubelet, "w1-renewal", CLIENT_SIGNER, joining.request, "client auth")
        assert signed(rig, session.api, "w1-renewal")
        for_another = request.new(joining.key, "w9")
        with pytest.raises(Exception, match="can only create a node CSR with CN=system:node:w1"):
            ask(kubelet, "w1-as-w9", CLIENT_SIGNER, for_another, "client auth")
    finally:
        kubelet.close()


def serving(host: Host, names: list[x509.GeneralName]) -> bytes:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, request.NODES),
            x509.NameAttribute(NameOID.COMMON_NAME, request.user(host.node)),
        ]
    )
    key = load_pem_private_key(host.key, None)
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    made = builder.sign(key, hashes.SHA256())  # type: ignore[arg-type]
    return made.public_bytes(Encoding.PEM)


@pytest.mark.usefixtures("controller")
def test_a_join_service_in_wrong_hands_gets_nothing_signed(
    rig: Rig, session: Session, service: Api
) -> None:
    victim = host(session, "w2", "10.7.0.3")
    name = knock(service, victim, proof=b"\0" * 64)
    assert denied(rig, session.api, name) == "NotProven"

    # A true proof of one host, with the request of another.
    proven, thief = host(session, "w3", "10.7.0.4"), host(session, "w3", "10.7.0.4")
    mixed = replace(thief, token=proven.token)
    name = knock(service, mixed, proof=proven.token.sign(proven.claim))
    assert denied(rig, session.api, name) == "NotProven"

    events = rig.kubectl("get", "events", "--field-selector=reason=NotProven").stdout
    assert "the claim's proof is not by its token" in events


@pytest.mark.usefixtures("controller")
def test_names_and_addresses_that_are_known_are_taken(
    rig: Rig, session: Session, service: Api
) -> None:
    control_plane_node = host(session, HOST.node, "10.7.0.5")
    assert denied(rig, session.api, knock(service, control_plane_node)) == "NameTaken"
    its_address = host(session, "w4", str(HOST.address))
    assert denied(rig, session.api, knock(service, its_address)) == "AddressTaken"


@pytest.mark.usefixtures("controller")
def test_an_address_that_a_node_says_it_has_keeps_nobody_out(
    rig: Rig, session: Session, service: Api
) -> None:
    """A kubelet writes its Node's status; whose an address is, records say."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "liar"}}
    session.api.create(node)
    says = {"addresses": [{"type": "ExternalIP", "address": "10.7.0.66"}]}
    session.api.merge("Node", "liar", {"status": says}, status=True)

    assert signed(rig, session.api, knock(service, host(session, "honest", "10.7.0.66")))
    session.api.delete("Node", "liar")


@pytest.mark.usefixtures("controller")
def test_what_the_api_and_services_are_called_is_nobodys(
    rig: Rig, session: Session, service: Api
) -> None:
    balancer = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "balanced", "namespace": "default"},
        "spec": {"ports": [{"port": 80}], "externalIPs": ["10.7.0.68"]},
    }
    session.api.apply(balancer)

    for name in ("kubernetes.default.svc", "localhost", "api.cluster.local"):
        said = denied(rig, session.api, knock(service, host(session, name, "10.7.0.67")))
        assert said == "WrongName"
    said = denied(rig, session.api, knock(service, host(session, "balanced", "10.7.0.68")))
    assert said == "AddressTaken"
    session.api.delete("Service", "balanced", namespace="default")


@pytest.mark.usefixtures("controller")
def test_a_lost_worker_rejoins_only_by_a_token_for_it(
    rig: Rig, session: Session, service: Api
) -> None:
    signed(rig, session.api, knock(service, host(session, "w5", "10.7.0.6")))

    again = host(session, "w5", "10.7.0.7")
    assert denied(rig, session.api, knock(service, again)) == "NameTaken"
    allowed = host(session, "w5", "10.7.0.7", rejoin=True)
    assert signed(rig, session.api, knock(service, allowed))


@pytest.mark.usefixtures("controller")
def test_an_address_in_another_spelling_is_the_same_address(
    rig: Rig, session: Session, service: Api
) -> None:
    """In a certificate `::ffff:192.0.2.10` has the bytes of the control plane's address."""
    spelled = host(session, "w7", f"::ffff:{HOST.address}")

    assert denied(rig, session.api, knock(service, spelled)) == "BadRequest"


@pytest.mark.usefixtures("controller")
def test_records_that_nobody_can_read_stop_nothing_and_keep_their_names(
    rig: Rig, session: Session, service: Api
) -> None:
    for kind, name in ((join_records.TOKEN, "token-x"), (join_records.NODE, "node-w8")):
        labels = {join_records.KIND_LABEL: kind}
        metadata = {"name": name, "namespace": RECORDS, "labels": labels}
        session.api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})

    assert denied(rig, session.api, knock(service, host(session, "w8", "10.7.0.9"))) == "NameTaken"
    rejoining = host(session, "w8", "10.7.0.9", rejoin=True)
    assert denied(rig, session.api, knock(service, rejoining)) == "NameTaken"
    assert signed(rig, session.api, knock(service, host(session, "w9", "10.7.0.9")))


@pytest.mark.usefixtures("controller")
def test_a_removed_workers_claim_is_not_taken_again(
    rig: Rig, session: Session, service: Api
) -> None:
    removed = host(session, "w10", "10.7.0.10")
    name = knock(service, removed)
    assert signed(rig, session.api, name)
    nodes.remove(session, "w10", timeout_s=10, tell=lambda _: None)
    session.api.delete(KIND, name)

    ask(service, name, CLIENT_SIGNER, removed.request, "client auth")

    assert denied(rig, session.api, name) == "TokenRevoked"
    assert signed(rig, session.api, knock(service, host(session, "w10", "10.7.0.10")))


def kubelet_of(rig: Rig, folder: Path, joined: Host, certificate: bytes) -> Api:
    """Return the API as a kubelet has it."""
    folder.mkdir(exist_ok=True)
    at = Credential(folder / "crt", folder / "key")
    at.certificate.write_bytes(certificate)
    at.key.write_bytes(joined.key)
    url = f"https://127.0.0.1:{rig.ports.api}"
    return Api(url, rig.session().layout.pki.ca.certificate, at)


def joins(rig: Rig, service: Api, joining: Host, folder: Path) -> Api:
    """Have a host join; return the API as its kubelet has it from then on."""
    with rig.session() as session:
        certificate = signed(rig, session.api, knock(service, joining))
    return kubelet_of(rig, folder, joining, certificate)


def may_write_nothing(kubelet: Api, joined: Host) -> str:
    """Try what a kubelet writes; return why it is refused."""
    own = [x509.DNSName(joined.node), x509.IPAddress(ip_address(joined.address))]
    serves = serving(joined, own)
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": joined.node}}
    says = {"status": {"phase": "Running"}}
    event = objects.event(
        {**node, "metadata": {"name": joined.node, "namespace": "default"}},
        *("Reason", "words"),
        by={"component": "kubelet"},
        at=datetime.now(UTC),
        generateName="e.",
    )
    said = set()
    for attempt in (
        lambda: kubelet.create(node),
        lambda: kubelet.merge("Node", joined.node, says, status=True),
        lambda: kubelet.create(event),
        lambda: ask(kubelet, "void-1", CLIENT_SIGNER, joined.request, "client auth"),
        lambda: ask(kubelet, "void-2", SERVING_SIGNER, serves, "server auth"),
    ):
        with pytest.raises(ApiError) as caught:
            attempt()
        assert caught.value.status in {404, 422}, caught.value.message
        said.add(caught.value.message)
    return " ".join(said)


def _may_not_be(kubelet: Api, node: objects.Object) -> bool:
    why = error_of(lambda: kubelet.try_out(node))
    return why is not None and why.status == 422


@pytest.mark.usefixtures("controller")
def test_a_removed_worker_writes_nothing_and_comes_back_by_a_new_token(
    rig: Rig, session: Session, service: Api, tmp_path: Path
) -> None:
    joined = host(session, "w20", "10.7.0.20")
    kubelet = joins(rig, service, joined, tmp_path)
    with contextlib.closing(kubelet):
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "w20"}}
        kubelet.create(node)
        nodes.remove(session, "w20", timeout_s=10, tell=lambda _: None)

        rig.until("that to count", lambda: _may_not_be(kubelet, node))
        said = may_write_nothing(kubelet, joined)
        assert "the node was removed from the cluster" in said
        # What it can still read is what every node can, and nothing of any pod: docs/security.md.
        assert kubelet.get("Node", "w20") is None
        assert kubelet.list("Service", namespace="default")
        for kind in ("ConfigMap", "Pod"):
            with pytest.raises(ApiError, match="orbidden"):
                kubelet.list(kind, namespace=NAMESPACE)

        # The name is somebody else's now; the certificate is as void as before.
        anew = host(session, "w20", "10.7.0.21")
        other = joins(rig, service, anew, tmp_path / "anew")
        with contextlib.closing(other):
            rig.until("the node to be let in", lambda: bool(other.create(node)))
        assert "another host has joined by the node's name" in may_write_nothing(kubelet, joined)
    session.api.delete("Node", "w20")


@pytest.mark.usefixtures("controller")
def test_the_link_addresses_that_nodes_say_are_listed_and_one_of_two_is_told(
    rig: Rig, session: Session, service: Api, tmp_path: Path
) -> None:
    """Read whenever somebody asks for a certificate, and soon after."""
    link = '{"VNI":1,"VtepMAC":"02:00:00:00:00:%s"}'
    said = {"w30": link % "30", "w31": link % "31", "w32": link % "30"}
    for name, words in said.items():
        notes = {flannel.LINK_ADDRESSES[0]: words}
        about = {"name": name, "annotations": notes}
        session.api.create({"apiVersion": "v1", "kind": "Node", "metadata": about})

    joins(rig, service, host(session, "w33", "10.7.0.33"), tmp_path).close()

    listed = session.api.get("ConfigMap", join_records.LINKS, namespace=RECORDS)
    assert listed and said.items() <= listed["data"].items()
    names = session.api.get("ConfigMap", join_records.INDEX, namespace=RECORDS)
    assert names and names["data"]["w33"] == "address=10.7.0.33"
    events = rig.kubectl("get", "events", "--field-selector=reason=LinkAddressShared").stdout
    assert "node/w32" in events and "has the link address of w30" in events
    for name in said:
        session.api.delete("Node", name)


@pytest.mark.usefixtures("controller")
def test_a_takeover_of_a_live_node_voids_its_certificate_and_is_told(
    rig: Rig, session: Session, service: Api, tmp_path: Path
) -> None:
    joined = host(session, "w21", "10.7.0.22")
    kubelet = joins(rig, service, joined, tmp_path)
    with contextlib.closing(kubelet):
        kubelet.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "w21"}})
        ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        kubelet.merge("Node", "w21", ready, status=True)
        thief = host(session, "w21", "10.7.0.23", rejoin=True)
        assert signed(rig, session.api, knock(service, thief))

        said = may_write_nothing(kubelet, joined)
    assert "another host has joined by the node's name" in said
    assert any("node w21 was taken over" in line for line in nodes.notices(session))
    events = rig.kubectl("get", "events", "--field-selector=reason=TakenOver").stdout
    assert "while it was Ready" in events
    session.api.delete("Node", "w21")


def unseen(rig: Rig, joined: Host) -> bytes:
    """Return a certificate of a node's that was signed, and whose request is not kept any more."""
    ca = rig.session().layout.pki.ca
    signer = Signer(ca.certificate.read_bytes(), ca.key.read_bytes())
    spec = catalog.kubelet_client(joined.node)
    return issue.certificate(spec, joined.key, signer=signer, now=datetime.now(UTC))


def recorded(session: Session, node: str) -> join_records.NodeRecord:
    found = session.api.get("ConfigMap", join_records.node_name(node), namespace=RECORDS)
    assert found
    return join_records.to_node(found)


@pytest.mark.usefixtures("controller")
def test_a_renewal_with_an_unknown_certificate_is_held_until_a_person_trusts_it(
    rig: Rig, session: Session, service: Api, tmp_path: Path
) -> None:
    joined = host(session, "w22", "10.7.0.24")
    assert signed(rig, session.api, knock(service, joined))
    rig.until("its certificate to be known", lambda: not recorded(session, "w22").pending)
    kubelet = kubelet_of(rig, tmp_path, joined, unseen(rig, joined))
    with contextlib.closing(kubelet):
        ask(kubelet, "w22-renewal", CLIENT_SIGNER, joined.request, "client auth")

    def told() -> bool:
        found = rig.kubectl("get", "events", "--field-selector=reason=UnknownCredential").stdout
        return "node w22 asks with a certificate that is not known" in found

    rig.until("it to be told", told)
    found = session.api.get(KIND, "w22-renewal")
    assert found and not found["status"].get("conditions")
    nodes.trust(session, "w22")
    assert signed(rig, session.api, "w22-renewal")


@pytest.mark.usefixtures("controller")
def test_a_certificate_that_nobody_saw_renews_where_one_was_approved(
    rig: Rig, session: Session, service: Api, tmp_path: Path
) -> None:
    """As where the controller was down, and its approved request was collected; or as in a cluster
    of a version that kept no ids.
    """
    joined = host(session, "w23", "10.7.0.25")
    assert signed(rig, session.api, knock(service, joined))
    rig.until("its certificate to be known", lambda: not recorded(session, "w23").pending)
    name = join_records.node_name("w23")
    for round_, change in enumerate(({"pending": "gone"}, {"pending": None, "credentials": None})):
        session.api.merge("ConfigMap", name, {"data": change}, namespace=RECORDS)
        kubelet = kubelet_of(rig, tmp_path / str(round_), joined, unseen(rig, joined))
        with contextlib.closing(kubelet):
            asked = f"w23-renewal-{round_}"
            ask(kubelet, asked, CLIENT_SIGNER, joined.request, "client auth")
            assert signed(rig, session.api, asked)
        rig.until("it to be known", lambda: not recorded(session, "w23").pending)
        assert len(recorded(session, "w23").credentials) >= 2


@pytest.mark.usefixtures("controller")
def test_a_crowd_is_answered(rig: Rig, session: Session, service: Api, note: Note) -> None:
    crowd = [host(session, f"c{n}", f"10.8.0.{n + 1}") for n in range(CROWD)]
    began = time.monotonic()
    names = [knock(service, one) for one in crowd]

    def left() -> int:
        found = {one["metadata"]["name"]: one for one in session.api.list(KIND)}
        return sum(not (found[name].get("status") or {}).get("certificate") for name in names)

    rig.until("all of them to be signed", lambda: left() == 0)
    note(f"{CROWD} first certificates in {time.monotonic() - began:.1f} s")


def test_another_controller_goes_on_where_one_was_killed(
    rig: Rig, session: Session, service: Api, controller: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    controller.kill()
    controller.wait()
    name = knock(service, host(session, "w6", "10.7.0.8"))
    old, _ = tokens.create(session, node=None, ttl=-KEPT)
    flood = join_records.claim_name("unknown000")
    about = {"name": flood, "namespace": CLAIMS}
    service.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": about})

    with running(rig, tmp_path) as another:
        assert signed(rig, session.api, name)

        def left() -> list[str]:
            """What a sweep removes, which comes by itself."""
            of = ((join_records.token_name(old.id), RECORDS), (flood, CLAIMS))
            return [one for one, at in of if session.api.get("ConfigMap", one, namespace=at)]

        rig.until("what joins leave behind to be swept", lambda: not left())
        another.terminate()
        assert another.wait(10) == 0
    lease = session.api.get("Lease", cluster_controller.LEASE, namespace="kube-system")
    assert lease
    assert not lease["spec"].get("holderIdentity")


CERTIFICATES = "certificates.k8s.io"
CSRS = "certificatesigningrequests"
MAY = (
    Right("update", f"{CSRS}/approval", CERTIFICATES),
    Right("approve", "signers", CERTIFICATES, CLIENT_SIGNER),
    Right("approve", "signers", CERTIFICATES, SERVING_SIGNER),
    Right("list", "configmaps", namespace=RECORDS),
    Right("list", "configmaps", namespace=CLAIMS),
    Right("delete", "configmaps", namespace=RECORDS),
    Right("delete", "configmaps", namespace=CLAIMS),
    Right("delete", CSRS, CERTIFICATES),  # which, a policy says
    Right("list", "nodes"),
    Right("patch", "nodes"),  # of which fields, a policy says
    Right("create", "pods/eviction"),
    Right("delete", "pods"),
)
MAY_NOT = (
    *EVERYTHING,
    Right("approve", "signers", CERTIFICATES),  # any of them
    Right("approve", "signers", CERTIFICATES, "kubernetes.io/kube-apiserver-client"),
    Right("approve", "signers", CERTIFICATES, "example.org/signer"),
    Right("sign", "signers", CERTIFICATES, CLIENT_SIGNER),
    Right("sign", "signers", CERTIFICATES, SERVING_SIGNER),
    Right("create", CSRS, CERTIFICATES),
    Right("create", "configmaps", namespace=CLAIMS),
    Right("delete", "configmaps", namespace=NAMESPACE),
    Right("deletecollection", "configmaps", namespace=CLAIMS),
    Right("deletecollection", CSRS, CERTIFICATES),
    Right("get", "secrets", namespace=NAMESPACE),
    Right("list", "secrets"),
    Right("patch", "nodes/status"),
    Right("delete", "nodes"),
    Right("deletecollection", "pods", namespace=NAMESPACE),
    Right("create", "pods", namespace=NAMESPACE),
    Right("patch", "pods", namespace=NAMESPACE),
    Right("patch", "leases", "coordination.k8s.io", keeper.LEASE, NAMESPACE),
    Right("create", "serviceaccounts/token", namespace=NAMESPACE),
    Right("create", "clusterrolebindings", RBAC),
    Right("impersonate", "users"),
)


@pytest.fixture(scope="module")
def credential(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> TokenFile:
    """The controller's own."""
    return TokenFile(account(rig, cluster_controller.NAME, tmp_path_factory.mktemp("own")))


@pytest.mark.parametrize(
    ("right", "is_theirs"),
    [*((one, True) for one in MAY), *((one, False) for one in MAY_NOT)],
    ids=str,
)
def test_it_may_do_its_work_and_nothing_else(
    rig: Rig, credential: TokenFile, right: Right, *, is_theirs: bool
) -> None:
    assert may(rig, credential, right) is is_theirs
