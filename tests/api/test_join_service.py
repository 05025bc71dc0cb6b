"""The join service against a real API: what it takes, what it refuses, and what it withstands.

Each attack that docs/security.md names has its test here, as far as the service has to answer it.
"""

import contextlib
import http.client
import json
import os
import random
import re
import selectors
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from tests import fuzz, joiner
from tests.api.rig import Rig
from tests.conftest import Note
from tests.joiner import CONTEXT, Gone, Joiner, Line, Said, line

from kubeception import tokens
from kubeception.kube.client import Api
from kubeception.pki.token import Role, Token
from kubeception.reach import Reach
from kubeception.render import access, join_records, join_service
from kubeception.render.join_records import CLAIMS, RECORDS, NodeRecord
from kubeception.resources.object import Object

DATA = Path(__file__).parent / "data"
SYSTEM = ("-n", "kube-system")
REQUESTS = int(os.environ.get("KUBECEPTION_REQUESTS", "20000"))
LISTENING = re.compile(r" INFO .*: listening on 127\.0\.0\.1:(\d+)\n")


@dataclass
class Service:
    """A running service, and what it logs."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def memory(self) -> int:
        """Return how many bytes of it are in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
        assert found
        return int(found[1]) * 1024

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def cpu_s(self) -> float:
        """Return how much time it has spent computing."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        self.process.terminate()
        assert self.process.wait(10) == 0


def command(rig: Rig, token: Path, port: int = 0) -> list[str]:
    at = rig.reach().layout.pki
    flags = {
        "certificate": at.join.certificate,
        "key": at.join.key,
        "ca": at.join_ca.certificate,
        "address": "127.0.0.1",
        "port": port,
        "api": f"https://127.0.0.1:{rig.ports.api}",
        "cluster-ca": at.ca.certificate,
        "token": token,
        "cluster-dns": "10.96.0.10",
        "cluster-domain": "cluster.local",
    }
    words = [f"--{name}={value}" for name, value in flags.items()]
    return [sys.executable, "-m", "kubeception", "serve", *words]


@contextlib.contextmanager
def running(rig: Rig, credential: Path, log: Path, port: int = 0) -> Iterator[Service]:
    with log.open("wb") as sink:
        process = subprocess.Popen(command(rig, credential, port), stdout=sink, stderr=sink)
    try:
        until = time.monotonic() + 20
        while not (found := LISTENING.search(log.read_text())):
            assert process.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.02)
        yield Service(process, int(found[1]), log)
        assert process.poll() in {None, 0}
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def credential(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The service's own: its rights are what is rendered, and so proven to be enough."""
    with rig.reach() as reach:
        needed = (*access.bindings(), *join_records.namespaces(), *join_service.account())
        for wanted in needed:
            Object(wanted).apply(reach)
    made = rig.kubectl(*SYSTEM, "create", "token", join_service.NAME, "--duration=1h")
    file = tmp_path_factory.mktemp("account") / "token"
    file.write_text(made.stdout)
    return file


@pytest.fixture(scope="module")
def service(
    rig: Rig, credential: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with running(rig, credential, tmp_path_factory.mktemp("serve") / "log") as service:
        yield service


@dataclass
class Judge:
    """Somebody who may approve and deny; the controller does so with the good and the bad."""

    rig: Rig

    def pending(self) -> list[str]:
        path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
        found = json.loads(self._ask("GET", path))["items"]
        return [one["metadata"]["name"] for one in found if not one.get("status")]

    def say(self, name: str, verdict: str, reason: str = "Tested") -> None:
        path = f"/apis/certificates.k8s.io/v1/certificatesigningrequests/{name}"
        found = json.loads(self._ask("GET", path))
        made = {"type": verdict, "status": "True", "reason": reason, "message": "by a test"}
        found["status"] = {"conditions": [made]}
        self._ask("PUT", f"{path}/approval", json.dumps(found).encode())

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        at = self.rig.reach().layout.pki
        tls = ssl.create_default_context(cafile=str(at.ca.certificate))
        tls.load_cert_chain(at.admin.certificate, at.admin.key)
        made = http.client.HTTPSConnection("127.0.0.1", self.rig.ports.api, timeout=10, context=tls)
        with contextlib.closing(made):
            made.request(method, path, body, {"content-type": "application/json"})
            answer = made.getresponse()
            assert answer.status == 200, answer.read()
            return answer.read()


@pytest.fixture
def approving(rig: Rig) -> Iterator[None]:
    """Every request is approved."""
    ending = threading.Event()

    def approve() -> None:
        judge = Judge(rig)
        while not ending.wait(0.05):
            for name in judge.pending():
                judge.say(name, "Approved")

    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(approve)
        yield
        ending.set()
        work.result()


_names = iter(range(10_000))


def fresh_name() -> str:
    return f"worker-{next(_names)}"


def token_for(
    reach: Reach,
    *,
    node: str | None = None,
    rejoin: bool = False,
    ttl: timedelta = timedelta(hours=1),
) -> Token:
    return tokens.create(reach, node=node, rejoin=rejoin, ttl=ttl)[0]


def signing_requests(api: Api, token: Token) -> bool:
    name = join_records.request_name(token.id)
    return api.get("CertificateSigningRequest", name) is not None


def claim_of(api: Api, token: Token) -> Any:
    return api.get("ConfigMap", join_records.claim_name(token.id), namespace=CLAIMS)


def untouched(api: Api, token: Token) -> bool:
    return claim_of(api, token) is None and not signing_requests(api, token)


# What a good host gets.


@pytest.mark.usefixtures("approving")
def test_a_host_that_proves_its_token_is_taken_in(rig: Rig, service: Service, reach: Reach) -> None:
    token = token_for(reach)
    host = Joiner(token, fresh_name(), ("192.0.2.21", "2001:db8::21"))

    said = host.join(service.port)

    assert said.status == 200, said
    answer = said.document
    at = rig.reach().layout.pki
    assert answer["ca"] == at.ca.certificate.read_text()
    assert answer["apiservers"] == [f"https://127.0.0.1:{rig.ports.api}"]
    assert answer["kubelet"] == {"cluster_dns": "10.96.0.10", "cluster_domain": "cluster.local"}
    signed = x509.load_pem_x509_certificate(answer["certificate"].encode())
    signed.verify_directly_issued_by(x509.load_pem_x509_certificate(at.ca.certificate.read_bytes()))
    assert signed.subject.rfc4514_string() == f"CN=system:node:{host.node},O=system:nodes"
    record = join_records.to_claim(claim_of(reach.api, token))
    assert record.claim.addresses == host.addresses
    assert record.request == host.request


@pytest.mark.usefixtures("approving")
def test_keys_of_both_kinds_are_signed(service: Service, reach: Reach) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )

    assert Joiner(token_for(reach), fresh_name(), key=key).join(service.port).status == 200


@pytest.mark.usefixtures("approving")
def test_who_lost_the_answer_gets_it_again(service: Service, reach: Reach) -> None:
    host = Joiner(token_for(reach), fresh_name())
    first = host.join(service.port)
    assert first.status == 200

    assert host.join(service.port).document == first.document


def test_the_ca_is_shown_with_the_certificate(rig: Rig, service: Service) -> None:
    with line(service.port) as made:
        shown = made.tls._sslobj.get_unverified_chain()  # type: ignore[attr-defined]

    at = rig.reach().layout.pki
    wanted = [at.join.certificate.read_text(), at.join_ca.certificate.read_text()]
    assert [one.public_bytes() for one in shown] == wanted


def test_nothing_is_said_about_a_stranger(service: Service, reach: Reach) -> None:
    """A04: what everybody can read tells nothing about tokens."""
    token = token_for(reach)
    with line(service.port) as made:
        for path in ("/", "/join/", f"/join/{token.id}", "/metrics", "/tokens", "/join?x"):
            said = made.ask("GET", path)
            assert (said.status, said.body) == (404, b"not found")


def test_guessing_gets_one_constant_answer(service: Service, reach: Reach) -> None:
    """A05: a wrong key, an unknown token, and neither locks the owner out."""
    token = token_for(reach)
    node = fresh_name()
    wrong = Joiner(Token(token.id, bytes(32), token.pin), node)
    unknown = Joiner(Token("zzzzzzzzzz", bytes(32), token.pin), node)

    said = [one.join(service.port) for one in (wrong, unknown) for _ in range(20)]

    assert {(one.status, one.body) for one in said} == {(401, b'{"error":"not proven"}')}
    assert len({tuple(one.headers) for one in said}) == 1
    assert untouched(reach.api, token)
    with Answering(Joiner(token, node), service) as asking:
        assert asking.reaches(reach.api, token)


@pytest.mark.parametrize("what", ["nonce", "node", "addresses", "request", "server"])
def test_a_proof_is_of_all_that_is_claimed(service: Service, reach: Reach, what: str) -> None:
    token = token_for(reach)
    host = Joiner(token, fresh_name())
    other = Joiner(token, fresh_name())
    with line(service.port) as made:
        document = host.document(made.nonce(), bytes(32) if what == "server" else made.server)
        match what:
            case "nonce":
                document["proof"] = host.document("00" * 32, made.server)["proof"]
            case "node":
                document |= {"node": other.node, "request": other.request.decode()}
            case "addresses":
                document["addresses"] = ["192.0.2.99"]
            case "request":
                document["request"] = Joiner(token, host.node).request.decode()
            case _:
                pass
        said = made.post(document)

    assert (said.status, said.error) == (401, "not proven")
    assert untouched(reach.api, token)


class Answering:
    """A join that waits for its certificate, until the block ends."""

    def __init__(self, host: Joiner, service: Service) -> None:
        self._line = Line(service.port)
        document = json.dumps(host.document(self._line.nonce(), self._line.server)).encode()
        head = f"POST /join HTTP/1.1\r\nhost: x\r\ncontent-length: {len(document)}\r\n"
        self._line.send(f"{head}content-type: application/json\r\n\r\n".encode() + document)

    def __enter__(self) -> "Answering":
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()

    def reaches(self, api: Api, token: Token) -> bool:
        """Wait until its certificate is asked for."""
        until = time.monotonic() + 5
        while not signing_requests(api, token) and time.monotonic() < until:
            time.sleep(0.02)
        return signing_requests(api, token)

    def hear(self) -> Said:
        return self._line.hear()


# Replay and reuse.


@pytest.mark.usefixtures("approving")
def test_what_was_recorded_is_worth_nothing(service: Service, reach: Reach) -> None:
    """A07: on the same connection, and on another one."""
    token = token_for(reach)
    host = Joiner(token, fresh_name())
    with line(service.port) as made, line(service.port) as other:
        document = host.document(made.nonce(), made.server)
        other.nonce()
        on_another = other.post(document)
        assert untouched(reach.api, token)
        first = made.post(document)
        assert first.status == 200
        found = claim_of(reach.api, token)
        again = made.post(document)

        assert on_another.status == again.status == 409
        assert on_another.body == again.body
        assert claim_of(reach.api, token) == found


def test_a_nonce_is_gone_whatever_it_was_used_for(service: Service, reach: Reach) -> None:
    token = token_for(reach)
    with line(service.port) as made:
        nonce = made.nonce()
        assert made.post(b"nonsense").status == 400
        assert made.post(Joiner(token).document(nonce, made.server)).status == 409
        before = made.nonce()
        made.nonce()
        assert made.post(Joiner(token).document(before, made.server)).status == 409
    assert untouched(reach.api, token)


@pytest.mark.usefixtures("approving")
def test_a_token_is_good_once(service: Service, reach: Reach) -> None:
    """A08: another host, or the same one with another key or address."""
    token = token_for(reach)
    host = Joiner(token, fresh_name())
    assert host.join(service.port).status == 200

    for thief in (
        Joiner(token, fresh_name()),
        Joiner(token, host.node),
        replace(host, addresses=("192.0.2.66",)),
    ):
        said = thief.join(service.port)
        assert (said.status, said.error) == (403, "the token is spent")


@pytest.mark.usefixtures("approving")
def test_of_two_at_once_exactly_one_wins(service: Service, reach: Reach) -> None:
    """A08: whoever comes second is told so, or to come again, and is told so then."""
    for _ in range(5):
        token = token_for(reach)
        hosts = [Joiner(token, fresh_name()) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            said = list(pool.map(lambda host: host.join(service.port).status, hosts))

        assert said.count(200) == 1
        assert set(said) <= {200, 403, 429}
        again = [host.join(service.port).status for host in hosts]
        assert again == [200 if status == 200 else 403 for status in said]


def test_a_token_in_use_is_told_to_come_again(service: Service, reach: Reach) -> None:
    token = token_for(reach)
    host = Joiner(token, fresh_name())
    with Answering(host, service) as asking:
        assert asking.reaches(reach.api, token)

        said = host.join(service.port)

    assert (said.status, said.headers["retry-after"]) == (429, "1")


# Tokens that are not good.


def test_a_token_that_expired_is_refused(service: Service, reach: Reach) -> None:
    """A09."""
    token = token_for(reach, ttl=timedelta(seconds=-1))

    said = Joiner(token, fresh_name()).join(service.port)

    assert (said.status, said.error) == (403, "the token has expired")
    assert untouched(reach.api, token)


def test_a_token_that_is_revoked_is_refused_at_once(service: Service, reach: Reach) -> None:
    """A09: within a second, for nothing is remembered."""
    token = token_for(reach)
    with line(service.port) as made:
        document = Joiner(token, fresh_name()).document(made.nonce(), made.server)
        tokens.delete(reach, [token.id])

        said = made.post(document)

    assert (said.status, said.error) == (403, "the token is revoked")
    assert untouched(reach.api, token)


def test_a_token_for_another_node_is_refused(service: Service, reach: Reach) -> None:
    token = token_for(reach, node=fresh_name())

    said = Joiner(token, fresh_name()).join(service.port)

    assert (said.status, said.error) == (403, "the token is for another node")


def test_a_token_for_another_role_is_refused(service: Service, reach: Reach) -> None:
    """A13."""
    token = token_for(reach)
    name = join_records.token_name(token.id)
    role = {"data": {"role": Role.CONTROL_PLANE.value}}
    reach.api.merge("ConfigMap", name, role, namespace=RECORDS)

    said = Joiner(token, fresh_name()).join(service.port)

    assert (said.status, said.error) == (403, "the token is not for a worker")


def test_a_record_that_is_none_is_no_token(service: Service, reach: Reach) -> None:
    token = token_for(reach)
    name = join_records.token_name(token.id)
    reach.api.merge("ConfigMap", name, {"data": {"expires": "soon"}}, namespace=RECORDS)

    assert Joiner(token, fresh_name()).join(service.port).status == 401


# Names that are somebody's.


def test_a_name_that_is_there_cannot_be_had(service: Service, reach: Reach) -> None:
    """A10: nothing is signed, and the administrator is told."""
    node = fresh_name()
    reach.api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}})
    token = token_for(reach, node=node)

    said = Joiner(token, node).join(service.port)

    assert (said.status, said.error) == (409, "the name is taken")
    assert untouched(reach.api, token)
    events = reach.api.list("Event", namespace=CLAIMS)
    told = [one["message"] for one in events if one["reason"] == "NameTaken"]
    assert f"token {token.id} was used to join as {node}, which is there already" in told


@pytest.mark.usefixtures("approving")
def test_a_name_that_is_known_can_be_had_by_its_own_token_alone(
    service: Service, reach: Reach
) -> None:
    """A10: a node's record is as good as the node."""
    token, other = token_for(reach), token_for(reach)
    record = NodeRecord(fresh_name(), token.id, Role.WORKER, ("192.0.2.21",))
    reach.api.create(join_records.from_node(record))

    assert Joiner(other, record.node).join(service.port).status == 409
    assert Joiner(token, record.node).join(service.port).status == 200


@pytest.mark.usefixtures("approving")
def test_a_lost_node_comes_back_by_a_token_for_that(service: Service, reach: Reach) -> None:
    node = fresh_name()
    reach.api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}})

    assert Joiner(token_for(reach, node=node), node).join(service.port).status == 409
    again = token_for(reach, node=node, rejoin=True)
    assert Joiner(again, fresh_name()).join(service.port).status == 403
    assert Joiner(again, node).join(service.port).status == 200


@pytest.mark.parametrize(
    ("reason", "status"), [("NameTaken", 409), ("NotProven", 403)], ids=["taken", "other"]
)
def test_what_the_controller_denies_is_refused(
    rig: Rig, service: Service, reach: Reach, reason: str, status: int
) -> None:
    token = token_for(reach)
    with Answering(Joiner(token, fresh_name()), service) as asking:
        assert asking.reaches(reach.api, token)
        Judge(rig).say(join_records.request_name(token.id), "Denied", reason)

        assert asking.hear().status == status


def test_without_anybody_who_approves_it_is_put_off(service: Service, reach: Reach) -> None:
    said = Joiner(token_for(reach), fresh_name()).join(service.port)

    assert (said.status, said.headers["retry-after"]) == (503, "1")


# Requests that are none.


def signed(
    subject: list[tuple[Any, str]],
    names: list[x509.GeneralName] | None = None,
    key: Any = None,
) -> bytes:
    """Return a certificate request that says what it is told to."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in subject])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def of(node: str, *organizations: str) -> list[tuple[Any, str]]:
    named = [(NameOID.ORGANIZATION_NAME, one) for one in organizations]
    return [*named, (NameOID.COMMON_NAME, node)]


VICTIM = "system:node:victim"
WRONG_REQUESTS: dict[str, Callable[[], bytes]] = {
    "masters": lambda: signed(of(VICTIM, "system:masters")),
    "also-masters": lambda: signed(of(VICTIM, "system:nodes", "system:masters")),
    "no-organization": lambda: signed(of(VICTIM)),
    "another-name": lambda: signed(of("system:node:other", "system:nodes")),
    "no-prefix": lambda: signed(of("victim", "system:nodes")),
    "two-names": lambda: signed([*of(VICTIM, "system:nodes"), (NameOID.COMMON_NAME, "admin")]),
    "a-host": lambda: signed(of(VICTIM, "system:nodes"), [x509.DNSName("kubernetes")]),
    "a-mail": lambda: signed(of(VICTIM, "system:nodes"), [x509.RFC822Name("a@b.c")]),
    "weak-rsa": lambda: signed(
        of(VICTIM, "system:nodes"),
        key=rsa.generate_private_key(public_exponent=65537, key_size=1024),  # noqa: S505
    ),
    "weak-curve": lambda: signed(
        of(VICTIM, "system:nodes"), key=ec.generate_private_key(ec.SECP224R1())
    ),
    "huge-rsa": lambda: (DATA / "rsa-8192.csr").read_bytes(),
    "broken-signature": lambda: broken(signed(of(VICTIM, "system:nodes"))),
    "no-request": lambda: b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n",
    "empty": lambda: b"-",
}


def broken(request: bytes) -> bytes:
    """Return a request whose signature is of something else."""
    good = x509.load_pem_x509_csr(request)
    der = bytearray(good.public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    try:
        return x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM)
    except ValueError:
        return b"broken"


@pytest.mark.parametrize("which", WRONG_REQUESTS)
def test_wrong_certificate_requests_cost_next_to_nothing(
    service: Service, reach: Reach, which: str
) -> None:
    """A11, A14: nothing is created, nobody is asked, and 20 of them take no second of computing."""
    token = token_for(reach)
    host = Joiner(token, "victim", request=WRONG_REQUESTS[which]())
    with line(service.port) as made:
        before = service.cpu_s()
        said = [made.post(host.document(made.nonce(), made.server)) for _ in range(20)]
        spent_s = (service.cpu_s() - before) / 20

    assert {one.status for one in said} == {400}
    assert all(one.error for one in said)
    assert untouched(reach.api, token)
    assert spent_s < 0.050


@pytest.mark.parametrize(
    "name",
    [
        *("../../etc/passwd", "w1/../w2", "W1", "-w1", "w1-", "w 1", "", "w1\n", "w1\u0000"),
        *(
            "w\u00f6rker",
            "\u0455erver",
            "w1;reboot",
            "$(id)",
            "{{7*7}}",
            "w1: x",
            "a" * 64,
            "a" * 254,
        ),
        *("a" * 254, "%s%n", "\u202ew1", "*", 5, None, ["w1"], {"w1": 1}, True),
    ],
)
def test_names_that_are_none_go_nowhere(service: Service, reach: Reach, name: Any) -> None:
    """A15: also not to the log."""
    token = token_for(reach)
    before = service.log.read_bytes()

    said = Joiner(token).join(service.port, node=name)

    assert (said.status, said.body) == (400, b'{"error":"bad request"}')
    assert untouched(reach.api, token)
    assert service.log.read_bytes() == before


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "169.254.169.254"),
        *(
            "::ffff:127.0.0.1",
            "fe80::1%eth0",
            "10.0.0.1/8",
            "010.0.0.1",
            "2001:DB8::1",
            "localhost",
        ),
        *("https://192.0.2.1", "192.0.2.1:6443", ""),
    ],
)
def test_addresses_are_plain_ones(service: Service, reach: Reach, address: str) -> None:
    """A21: there is nothing in a request that the service could be led somewhere by."""
    token = token_for(reach)

    said = Joiner(token, "w1", ("192.0.2.1", address)).join(service.port)

    assert said.status == 400
    assert untouched(reach.api, token)


MALFORMED: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "not-json": lambda _: b"\x80\x81",
    "nothing": lambda _: b"",
    "a-list": lambda good: json.dumps([good]).encode(),
    "deep": lambda good: json.dumps({**good, "x": 0})[:-2].encode() + b"[" * 7_000 + b"]" * 7_000,
    "twice": lambda good: b'{"node":"w2",' + json.dumps(good).encode()[1:],
    "nan": lambda good: json.dumps({**good, "token": float("nan")}).encode(),
    "more": lambda good: json.dumps({**good, "callback": "https://192.0.2.1/"}).encode(),
    "proxy": lambda good: json.dumps({**good, "apiservers": ["https://192.0.2.1"]}).encode(),
    "less": lambda good: json.dumps({**good, "proof": None}).encode(),
    "short": lambda good: json.dumps({**good, "proof": "00"}).encode(),
    "id": lambda good: json.dumps({**good, "token": "../../etc1"}).encode(),
    "addresses": lambda good: json.dumps({**good, "addresses": ["192.0.2.1"] * 5}).encode(),
    "none": lambda good: json.dumps({**good, "addresses": []}).encode(),
}


@pytest.mark.parametrize("which", MALFORMED)
def test_malformed_documents_get_one_answer(service: Service, reach: Reach, which: str) -> None:
    """A16, A21."""
    token = token_for(reach)
    with line(service.port) as made:
        good = Joiner(token).document(made.nonce(), made.server)
        said = made.post(MALFORMED[which](good))

    assert (said.status, said.body) == (400, b'{"error":"bad request"}')
    assert untouched(reach.api, token)


JSON = ("content-type", "application/json")
TOO_MUCH: dict[str, tuple[bytes, int]] = {
    "announced": (b"content-length: 9999999\r\n\r\n", 413),
    "sent": (b"content-length: 20000\r\n\r\n" + b" " * 20_000, 413),
    "in-chunks": (
        b"transfer-encoding: chunked\r\n\r\n" + b"2000\r\n" + b" " * 8192 + b"\r\n"
        b"2001\r\n" + b" " * 8193 + b"\r\n0\r\n\r\n",
        413,
    ),
    "one-header": (b"x: " + b"x" * 9_000 + b"\r\n\r\n", 431),
    "many-headers": (b"".join(b"x%d: y\r\n" % one for one in range(1_000)) + b"\r\n", 431),
    "endless-header": (b"x: " + b"x" * 60_000, 431),
    "zipped": (b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\n\x1f\x8b", 415),
    "unknown-encoding": (b"transfer-encoding: gzip\r\n\r\n", 400),
    "two-lengths": (b"content-length: 1\r\ncontent-length: 2\r\n\r\nxx", 400),
    "length-and-chunks": (b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\nx\r\n", 400),
    "no-length": (b"content-length: -1\r\n\r\n", 400),
    "folded": (b"a: b\r\n c: d\r\n\r\n", 415),
    "text": (b"content-length: 2\r\n\r\n{}", 415),
}


@pytest.mark.parametrize("which", TOO_MUCH)
def test_what_is_too_much_is_refused_without_being_kept(service: Service, which: str) -> None:
    """A16: 5 MiB more memory at most, after fifty of them."""
    raw, status = TOO_MUCH[which]
    before = service.memory()
    for _ in range(50):
        with line(service.port) as made:
            made.send(b"POST /join HTTP/1.1\r\nhost: x\r\n" + raw)
            said = made.hear()
            assert said.status == status
            assert said.error

    assert service.memory() - before < 5 * 2**20


# TLS.


def test_older_tls_is_refused(service: Service) -> None:
    """A18."""
    older = joiner.context(ssl.TLSVersion.TLSv1_2)
    with (
        socket.create_connection(("127.0.0.1", service.port), 5) as plain,
        pytest.raises(OSError, match=r"protocol version|alert|closed"),
    ):
        older.wrap_socket(plain)


@pytest.mark.parametrize("protocol", ["h2", "spdy/1", "acme-tls/1"])
def test_no_other_protocol_is_agreed_on(service: Service, protocol: str) -> None:
    """A18."""
    made = joiner.context()
    made.set_alpn_protocols([protocol])
    with (
        socket.create_connection(("127.0.0.1", service.port), 5) as plain,
        made.wrap_socket(plain) as tls,
    ):
        assert tls.selected_alpn_protocol() is None
        assert tls.version() == "TLSv1.3"


def test_plain_http_gets_no_answer(service: Service) -> None:
    """A18: above all no redirect."""
    with socket.create_connection(("127.0.0.1", service.port), 5) as plain:
        plain.sendall(b"GET /join HTTP/1.1\r\nhost: x\r\n\r\n")
        answer = b""
        with contextlib.suppress(ConnectionError):
            while more := plain.recv(4096):
                answer += more

    assert b"HTTP" not in answer


# What it may do.

RECORDED, CLAIMED = ("-n", RECORDS), ("-n", CLAIMS)
ALLOWED = (
    ("get", "configmaps", RECORDED),
    ("get", "configmaps", CLAIMED),
    ("create", "configmaps", CLAIMED),
    ("create", "events", CLAIMED),
    ("get", "nodes", ()),
    ("create", "certificatesigningrequests", ()),
    ("get", "certificatesigningrequests", ()),
)
REFUSED = (
    ("*", "*", ()),
    ("list", "configmaps", RECORDED),
    ("create", "configmaps", RECORDED),
    ("patch", "configmaps", RECORDED),
    ("list", "configmaps", CLAIMED),
    ("patch", "configmaps", CLAIMED),
    ("delete", "configmaps", CLAIMED),
    ("get", "configmaps", SYSTEM),
    ("get", "secrets", SYSTEM),
    ("get", "secrets", RECORDED),
    ("list", "nodes", ()),
    ("create", "nodes", ()),
    ("patch", "nodes", ()),
    ("delete", "nodes", ()),
    ("list", "certificatesigningrequests", ()),
    ("update", "certificatesigningrequests --subresource=approval", ()),
    ("update", "certificatesigningrequests --subresource=status", ()),
    ("approve", "signers", ()),
    ("sign", "signers", ()),
    ("create", "pods", SYSTEM),
    ("create", "serviceaccounts --subresource=token", SYSTEM),
    ("create", "clusterrolebindings", ()),
    ("impersonate", "users", ()),
)


@pytest.mark.parametrize(
    ("question", "answer"),
    [*((one, "yes") for one in ALLOWED), *((one, "no") for one in REFUSED)],
    ids=lambda value: value if isinstance(value, str) else "-".join(value[:2]),
)
def test_the_service_may_do_its_work_and_nothing_else(
    rig: Rig, credential: Path, question: tuple[str, str, tuple[str, ...]], answer: str
) -> None:
    verb, thing, where = question
    at = rig.reach().layout.pki
    access = rig.root / "serve.conf"
    cluster = {"server": f"https://127.0.0.1:{rig.ports.api}"}
    cluster["certificate-authority"] = str(at.ca.certificate)
    document = {
        "clusters": [{"name": "it", "cluster": cluster}],
        "users": [{"name": "us", "user": {"tokenFile": str(credential)}}],
        "contexts": [{"name": "here", "context": {"cluster": "it", "user": "us"}}],
        "current-context": "here",
    }
    access.write_text(json.dumps(document))
    who = f"--kubeconfig={access}"

    said = rig.kubectl("auth", "can-i", verb, *thing.split(), *where, who, check=False)

    assert said.stdout.strip() == answer


# When things break.


def test_without_an_api_it_is_put_off(rig: Rig, credential: Path, tmp_path: Path) -> None:
    """A24: 503 with Retry-After, in no time where nobody listens, in short where nobody answers."""
    with rig.reach() as reach, running(rig, credential, tmp_path / "log") as service:
        host = Joiner(token_for(reach), fresh_name())
        with rig.programs["kube-apiserver"].standing_still():
            started = time.monotonic()
            said = host.join(service.port)
            took_s = time.monotonic() - started
            with line(service.port) as made:
                assert made.ask("GET", "/healthz").status == 200

        assert (said.status, said.headers["retry-after"]) == (503, "1")
        assert took_s < 5
        assert untouched(reach.api, host.token)
        assert "Traceback" not in service.log.read_text()


@pytest.mark.usefixtures("approving")
def test_a_restart_in_between_loses_nothing(
    rig: Rig, credential: Path, reach: Reach, tmp_path: Path
) -> None:
    """A24: killed while a host waits for its certificate, the next one gives it to it."""
    token = token_for(reach)
    host = Joiner(token, fresh_name())
    with running(rig, credential, tmp_path / "log") as service:
        with Answering(host, service) as asking:
            assert asking.reaches(reach.api, token)
            service.process.send_signal(signal.SIGKILL)
            with pytest.raises(Gone):
                asking.hear()
        service.process.wait()
        service.process.returncode = 0

    with running(rig, credential, tmp_path / "log") as service:
        assert host.join(service.port).status == 200
        service.end()


@pytest.mark.usefixtures("approving")
def test_the_log_says_who_and_never_what(service: Service, reach: Reach) -> None:
    token = token_for(reach)
    host = Joiner(token, fresh_name())
    assert host.join(service.port).status == 200

    log = service.log.read_text()
    assert f"token {token.id}, node {host.node}: accepted\n" in log
    for secret in (token.text().split(".")[2], token.seed.hex()):
        assert secret not in log


# Slow clients and broken ones.


def slowly(port: int, kind: str, ending: threading.Event) -> int:
    """Be 250 slow clients of a kind, each of which comes back when it is shown out."""
    hello = client_hello()
    chosen = selectors.DefaultSelector()
    count = 0

    def come() -> None:
        nonlocal count
        made = socket.socket()
        made.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            made.connect(("127.0.0.1", port))
        chosen.register(made, selectors.EVENT_READ)
        count += 1

    for _ in range(250):
        come()
    while not ending.wait(0.05):
        for key, _ in chosen.select(0):
            made = key.fileobj
            assert isinstance(made, socket.socket)
            chosen.unregister(made)
            made.close()
            come()
        if kind == "half":
            for key in list(chosen.get_map().values()):
                made = key.fileobj
                assert isinstance(made, socket.socket)
                with contextlib.suppress(OSError):
                    made.send(hello[:100])
    for key in list(chosen.get_map().values()):
        made = key.fileobj
        assert isinstance(made, socket.socket)
        made.close()
    return count


def client_hello() -> bytes:
    """Return what a TLS client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    made = CONTEXT.wrap_bio(incoming, outgoing)
    with contextlib.suppress(ssl.SSLWantReadError):
        made.do_handshake()
    return outgoing.read()


def drip(port: int, head: bytes, ending: threading.Event) -> None:
    """Send a byte a second after a beginning, on one connection after the other."""
    while not ending.is_set():
        with contextlib.suppress(OSError, Gone), line(port) as made:
            made.send(head)
            while not ending.wait(1):
                made.send(b"x")


@pytest.mark.usefixtures("approving")
def test_slow_clients_hold_nobody_up(service: Service, reach: Reach, note: Note) -> None:
    """A thousand and more connections that do nothing, or too little; a join takes two seconds."""
    ending = threading.Event()
    took = []
    with ThreadPoolExecutor(64) as pool:
        kinds = ("silent", "silent", "half", "half")
        slow = [pool.submit(slowly, service.port, kind, ending) for kind in kinds]
        heads = (
            b"GET /join HTTP/1.1\r\nx: ",
            b"POST /join HTTP/1.1\r\ncontent-length: 9999\r\n\r\n",
        )
        dripping = [pool.submit(drip, service.port, head, ending) for head in heads * 15]
        try:
            time.sleep(1)  # let them all in
            for _ in range(10):
                host = Joiner(token_for(reach), fresh_name())
                started = time.monotonic()
                assert host.join(service.port).status == 200
                took.append(time.monotonic() - started)
        finally:
            ending.set()
        came = sum(one.result() for one in slow)
        for one in dripping:
            one.result()

    note(f"join beside {came} slow connections: {max(took):.2f} s at most of {len(took)}")
    assert max(took) < 2


@pytest.mark.parametrize(
    ("start", "ends_s"),
    [
        ("silent", 3),
        ("half", 3),
        ("hello", 3),
        ("header", 3),
        ("body", 3),
        ("idle", 5),
    ],
)
def test_who_is_slow_is_shown_out(service: Service, start: str, ends_s: float) -> None:
    started = time.monotonic()
    if start in {"silent", "half"}:
        with socket.create_connection(("127.0.0.1", service.port), 10) as plain:
            if start == "half":
                plain.sendall(client_hello()[:100])
            with contextlib.suppress(ConnectionError):
                while plain.recv(4096):
                    pass
    else:
        with line(service.port) as made:
            match start:
                case "header":
                    made.send(b"GET /join HTTP/1.1\r\nx: ")
                case "body":
                    made.send(b"POST /join HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n")
                case "idle":
                    made.nonce()
                case _:
                    pass
            with pytest.raises(Gone):
                made.hear()

    assert ends_s - 0.2 < time.monotonic() - started < ends_s + 1.5


def test_any_request_at_all_gets_a_decent_answer(
    service: Service, reach: Reach, note: Note
) -> None:
    """A24: good requests, changed at random; KUBECEPTION_REQUESTS=1000000 for more."""
    seed = int(os.environ.get("KUBECEPTION_SEED") or random.randrange(2**32))
    chance = random.Random(seed)
    host = Joiner(token_for(reach, ttl=timedelta(seconds=-1)), "w1")
    answers: Counter[int] = Counter()
    memory = descriptors = 0
    made: Line | None = None
    for one in range(REQUESTS):
        if one == min(2_000, REQUESTS // 4):  # what it has by then, it has for good
            memory, descriptors = service.memory(), service.descriptors()
        made = made or Line(service.port)
        nonce = made.nonce() if chance.random() < 0.3 else "00" * 32
        sent, is_whole = fuzz.changed(chance, host.document(nonce, made.server))
        made.send(sent)
        try:
            said = made.hear()
        except Gone:  # what was sent after the answer made the kernel drop it
            answers[0] += 1
            made.close()
            made = None
            continue
        answers[said.status] += 1
        assert said.status < 500 or (said.status == 503 and "retry-after" in said.headers)
        assert b"Traceback" not in said.body
        if said.headers.get("connection") == "close" or not is_whole:
            made.close()
            made = None
    if made:
        made.close()

    note(f"fuzz: {REQUESTS} requests, seed {seed}: {dict(sorted(answers.items()))}")
    assert answers[0] < REQUESTS / 50
    assert service.descriptors() - descriptors <= 10
    assert service.memory() - memory < 5 * 2**20
    assert "Traceback" not in service.log.read_text()


@pytest.mark.usefixtures("approving")
def test_many_hosts_join_at_once(service: Service, reach: Reach, note: Note) -> None:
    """More than may at once: the others are told to come again, and do."""
    hosts = [Joiner(token_for(reach), fresh_name()) for _ in range(100)]

    def persist(host: Joiner) -> int:
        until = time.monotonic() + 50
        while (said := host.join(service.port)).status == 503 and time.monotonic() < until:
            time.sleep(int(said.headers["retry-after"]))
        return said.status

    started = time.monotonic()
    with ThreadPoolExecutor(100) as pool:
        statuses = set(pool.map(persist, hosts))

    note(f"join: {len(hosts)} hosts at once in {time.monotonic() - started:.1f} s")
    assert statuses == {200}
