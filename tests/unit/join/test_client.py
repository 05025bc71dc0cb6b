"""Who a joining host talks to, what it proves, and what it makes of the answers."""

import contextlib
import hashlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.unit.sessions import Hands

from kubeception.config import names
from kubeception.config.model import KeyAlgorithm
from kubeception.errors import ConfigError, JoinRefused, WaitTimeout
from kubeception.host.gateway import Clock
from kubeception.join import pinned, wire
from kubeception.join.client import JoinClient
from kubeception.pki import denial, issue, request, token
from kubeception.pki.catalog import CertificateSpec, Use
from kubeception.pki.token import Claim
from kubeception.render import join_records
from kubeception.resources.credential import JoinResult

NOW = datetime.now(UTC)
P256 = KeyAlgorithm.ECDSA_P256
NONCE = "ab" * 32
NODE, ADDRESSES = "w1", ("192.0.2.21",)
REQUEST = request.new(issue.new_key(P256), NODE)
WELCOME = {
    "certificate": "a certificate",
    "ca": "a CA",
    "apiservers": ["https://192.0.2.10:6443"],
    "kubelet": {"cluster_dns": "10.96.0.10", "cluster_domain": "cluster.local"},
}
ALL = frozenset({Use.SERVER})


@dataclass(frozen=True)
class Authority:
    """A CA, and what it signs."""

    signer: issue.Signer

    def leaf(
        self,
        *,
        uses: frozenset[Use] = ALL,
        lifetime: timedelta = timedelta(days=1),
        now: datetime = NOW,
    ) -> tuple[bytes, bytes]:
        key = issue.new_key(P256)
        spec = CertificateSpec("join", uses, dns_names=("localhost",), lifetime=lifetime)
        return issue.certificate(spec, key, signer=self.signer, now=now), key


def authority(name: str = "join-ca") -> Authority:
    key = issue.new_key(P256)
    spec = CertificateSpec(name, frozenset({Use.CA}), lifetime=timedelta(days=9))
    return Authority(issue.Signer(issue.certificate(spec, key, signer=None, now=NOW), key))


OURS, THEIRS = authority(), authority()
TOKEN = token.new(ca=OURS.signer.certificate)

Answers = Callable[[bytes], tuple[int, object]]


def all_well(asked: bytes) -> tuple[int, object]:
    return (200, {"nonce": NONCE}) if asked.startswith(b"GET") else (200, WELCOME)


@dataclass
class Server:
    """A TLS server that keeps what it is told, decrypted."""

    port: int = 0
    connections: int = 0
    heard: list[bytes] = field(default_factory=list)

    @property
    def place(self) -> pinned.ServiceUrl:
        return pinned.ServiceUrl("127.0.0.1", self.port, wire.PATH)


@contextlib.contextmanager
def serving(
    folder: Path,
    chain: list[bytes],
    key: bytes,
    *,
    answers: Answers = all_well,
    highest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> Iterator[Server]:
    (folder / "chain.pem").write_bytes(b"".join(chain))
    (folder / "key.pem").write_bytes(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = highest
    context.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    server = Server()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.port = listener.getsockname()[1]

        def serve() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:  # closed: the test is over
                    return
                server.connections += 1
                with (
                    plain,
                    contextlib.suppress(OSError),
                    context.wrap_socket(plain, server_side=True) as secure,
                ):
                    _answer(secure, server, answers)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def _answer(secure: ssl.SSLSocket, server: Server, answers: Answers) -> None:
    while asked := _request(secure):
        server.heard.append(asked)
        status, document = answers(asked)
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        head = f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\n"
        if status == 302:
            head += f"Location: https://127.0.0.1:{server.port}/elsewhere\r\n"
        secure.sendall(head.encode() + b"\r\n" + body)


def _request(secure: ssl.SSLSocket) -> bytes:
    asked = b""
    while part := secure.recv(65536):
        asked += part
        head, end, body = asked.partition(b"\r\n\r\n")
        length = next(
            (
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if b"t-length" in line
            ),
            0,
        )
        if end and len(body) >= length:
            break
    return asked


def ask(server: Server, *, of: token.Token = TOKEN, clock: Clock | None = None) -> JoinResult:
    client = JoinClient(server.place, of, clock or Hands(start=NOW).clock(), timeout_s=2.0)
    return client(REQUEST, NODE, ADDRESSES)


@contextlib.contextmanager
def ours(folder: Path, answers: Answers = all_well) -> Iterator[Server]:
    leaf, key = OURS.leaf()
    with serving(folder, [leaf, OURS.signer.certificate], key, answers=answers) as server:
        yield server


def test_a_host_is_taken_in_and_told_what_it_needs(tmp_path: Path) -> None:
    with ours(tmp_path) as server:
        welcome = ask(server)

    assert welcome.certificate == b"a certificate"
    assert welcome.member.apiserver == "https://192.0.2.10:6443"
    assert server.connections == 1


def test_the_proof_is_over_this_server_nonce_request_and_node(tmp_path: Path) -> None:
    leaf, key = OURS.leaf()
    with serving(tmp_path, [leaf, OURS.signer.certificate], key) as server:
        ask(server)

    asked = wire.read(server.heard[1].partition(b"\r\n\r\n")[2])
    der = x509.load_pem_x509_certificate(leaf).public_bytes(Encoding.DER)
    claim = Claim(
        token=TOKEN.id,
        node=NODE,
        addresses=ADDRESSES,
        server=hashlib.sha256(der).digest(),
        nonce=bytes.fromhex(NONCE),
        request=request.digest(REQUEST),
    )
    assert token.verifies(TOKEN.public_key, bytes.fromhex(asked.proof), claim)
    assert TOKEN.seed not in b"".join(server.heard)
    assert TOKEN.text().split(".")[2].encode() not in b"".join(server.heard)


def stranger_with_a_ca_of_its_own() -> tuple[list[bytes], bytes]:
    leaf, key = THEIRS.leaf()
    return [leaf, THEIRS.signer.certificate], key


def stranger_who_shows_our_ca() -> tuple[list[bytes], bytes]:
    leaf, key = THEIRS.leaf()
    return [leaf, OURS.signer.certificate], key


def server_without_its_ca() -> tuple[list[bytes], bytes]:
    leaf, key = OURS.leaf()
    return [leaf], key


def leaf_that_is_pinned_and_no_ca() -> tuple[list[bytes], bytes]:
    leaf, key = OURS.leaf(uses=frozenset({Use.CLIENT}))
    return [leaf, OURS.signer.certificate], key


def a_leaf_of_yesterday() -> tuple[list[bytes], bytes]:
    leaf, key = OURS.leaf(now=NOW - timedelta(days=2))
    return [leaf, OURS.signer.certificate], key


@pytest.mark.parametrize(
    "shown",
    [
        stranger_with_a_ca_of_its_own,
        stranger_who_shows_our_ca,
        server_without_its_ca,
        leaf_that_is_pinned_and_no_ca,
        a_leaf_of_yesterday,
    ],
)
def test_another_server_is_told_nothing(
    shown: Callable[[], tuple[list[bytes], bytes]], tmp_path: Path
) -> None:
    chain, key = shown()
    with serving(tmp_path, chain, key) as server, pytest.raises(JoinRefused) as refused:
        ask(server)

    assert server.heard == []
    assert server.connections == 1
    assert refused.value.exit_code == 5
    assert refused.value.hint


def test_a_relay_to_the_real_service_fails_at_the_pin(tmp_path: Path) -> None:
    """It has the right name and may pass on what it likes: it is told nothing to pass on."""
    with ours(tmp_path) as real:
        leaf, key = THEIRS.leaf()
        folder = tmp_path / "relay"
        folder.mkdir()

        def passed_on(asked: bytes) -> tuple[int, object]:
            with pinned.connected(real.place, pin=TOKEN.pin, now=NOW) as (connection, _):
                connection.sock.sendall(asked)
                return 200, connection.sock.recv(65536)

        chain = [leaf, THEIRS.signer.certificate]
        with serving(folder, chain, key, answers=passed_on) as relay, pytest.raises(JoinRefused):
            ask(relay)

    assert (relay.heard, real.heard) == ([], [])


def test_no_older_tls_is_spoken(tmp_path: Path) -> None:
    leaf, key = OURS.leaf()
    chain = [leaf, OURS.signer.certificate]
    older = ssl.TLSVersion.TLSv1_2
    with serving(tmp_path, chain, key, highest=older) as server, pytest.raises(JoinRefused):
        ask(server)

    assert server.heard == []


CSR = join_records.request_name(TOKEN.id)


def denied(whose: str) -> dict[str, str]:
    """Return the refusal of a host whose address is somebody's."""
    return {"error": f"{wire.DENIED}: {denial.address_taken(ADDRESSES[0], whose)}"}


@pytest.mark.parametrize(
    ("status", "document", "hint"),
    [
        (400, {"error": "bad request"}, "the same version"),
        (400, {"error": f"'w1' {names.IS_RESERVED}"}, "hostnamectl set-hostname"),
        (400, {"error": wire.NO_ADDRESS}, "set address in the [node] section"),
        (401, {"error": "not proven"}, "token create --node w1"),
        (403, {"error": "the token is spent"}, "token create --node w1"),
        (403, {"error": wire.OTHER_NODE}, "token create --node w1"),
        (403, {"error": wire.OTHER_NODE}, "hostnamectl set-hostname"),
        (
            403,
            {"error": f"{wire.SEEN_FROM} 192.0.2.1, and claims 192.0.2.2"},
            "--any-source --node w1",
        ),
        (403, denied(denial.of_node("old.example")), "kubeception node remove old.example,"),
        (403, denied(denial.of_node("old.example")), "token create --rejoin old.example"),
        (403, denied(denial.ANOTHER_NODE), "kubeception node list"),
        (403, denied(denial.SERVICE), "set address in the [node] section"),
        (403, {"error": f"{wire.DENIED}: 'w1' {names.IS_RESERVED}"}, "hostnamectl set-hostname"),
        (403, {"error": f"{wire.DENIED}: not today"}, f"get csr {CSR} -o yaml,"),
        (403, {"error": wire.DENIED}, f"get csr {CSR} -o yaml,"),
        (404, b"not found", ":30000/join"),
        (409, {"error": "the name is taken"}, "token create --rejoin w1"),
        (302, b"", "the same version"),
        (200, {"nonce": 1}, "the same version"),
        (200, b"<html>", "the same version"),
    ],
)
def test_a_refusal_is_final_and_says_what_to_do(
    status: int, document: object, hint: str, tmp_path: Path
) -> None:
    def answers(asked: bytes) -> tuple[int, object]:
        return all_well(asked) if asked.startswith(b"GET") else (status, document)

    with ours(tmp_path, answers) as server, pytest.raises(JoinRefused) as refused:
        ask(server)

    assert hint in (refused.value.hint or "")
    assert len(server.heard) == 2


@pytest.mark.parametrize(
    ("status", "why"),
    [(429, "in use"), (503, "not signed yet"), (409, "the nonce is too old"), (500, "?")],
)
def test_who_is_put_off_asks_again_over_a_new_nonce(status: int, why: str, tmp_path: Path) -> None:
    posts: list[bytes] = []

    def answers(asked: bytes) -> tuple[int, object]:
        if asked.startswith(b"GET"):
            return all_well(asked)
        posts.append(asked)
        return (status, {"error": why}) if len(posts) < 3 else (200, WELCOME)

    with ours(tmp_path, answers) as server:
        ask(server)

    assert server.connections == 3


def test_a_service_that_never_answers_is_given_up(tmp_path: Path) -> None:
    hands = Hands(start=NOW)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        place = pinned.ServiceUrl("127.0.0.1", closed.getsockname()[1], wire.PATH)

    with pytest.raises(WaitTimeout, match="connection refused"):
        JoinClient(place, TOKEN, hands.clock())(REQUEST, NODE, ADDRESSES)

    assert 50 < hands.passed_s <= 60


def test_what_a_refusal_says_is_one_plain_line(tmp_path: Path) -> None:
    def answers(_: bytes) -> tuple[int, object]:
        return 403, {"error": "a\n\x1b[31mb" + "x" * 1000}

    with ours(tmp_path, answers) as server, pytest.raises(JoinRefused) as refused:
        ask(server)

    assert "\n" not in refused.value.message
    assert "\x1b" not in refused.value.message
    assert len(refused.value.message) < 300


def test_nothing_that_is_shown_of_a_client_has_the_token_in_it() -> None:
    client = JoinClient(pinned.place("https://h:30000/join"), TOKEN, Clock())

    assert TOKEN.text().split(".")[2] not in repr(client)
    assert repr(TOKEN.seed) not in repr(client)


def test_a_url_says_where_the_service_is() -> None:
    assert pinned.place("https://192.0.2.10:30000/join") == pinned.ServiceUrl(
        "192.0.2.10", 30000, "/join"
    )


@pytest.mark.parametrize(
    "url",
    [
        *("http://h:30000/join", "h:30000", "", "https://", "https://u:p@h/join"),
        *("https://h:x/join", "https://h/join?to=x", "https://h/join#x"),
    ],
)
def test_what_is_no_url_is_said(url: str) -> None:
    with pytest.raises(ConfigError):
        pinned.place(url)
