"""What the join service makes of requests that are none, of other protocols; and what it may do."""

import contextlib
import json
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from tests import joiner
from tests.api.rig import Rig
from tests.api.rights import EVERYTHING, Right, may
from tests.api.serving import Service, token_for, untouched
from tests.joiner import Gone, Joiner, line

from kubeception.kube.client import TokenFile
from kubeception.kube.kinds import RBAC
from kubeception.pki.request import CLIENT_SIGNER, SERVING_SIGNER
from kubeception.render.join_records import CLAIMS, RECORDS
from kubeception.render.objects import NAMESPACE
from kubeception.session import Session

DATA = Path(__file__).parent / "data"


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
    service: Service, session: Session, which: str
) -> None:
    """A11, A14: nothing is created, nobody is asked, and 20 of them take no second of computing."""
    token = token_for(session)
    host = Joiner(token, "victim", request=WRONG_REQUESTS[which]())
    with line(service.port) as made:
        before = service.cpu_s()
        said = [made.post(host.document(made.nonce(), made.server)) for _ in range(20)]
        spent_s = (service.cpu_s() - before) / 20

    assert {one.status for one in said} == {400}
    assert all(one.error for one in said)
    assert untouched(session.api, token)
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
def test_names_that_are_none_go_nowhere(service: Service, session: Session, name: Any) -> None:
    """A15: also not to the log."""
    token = token_for(session)
    before = service.log.read_bytes()

    said = Joiner(token).join(service.port, node=name)

    assert (said.status, said.body) == (400, b'{"error":"bad request"}')
    assert untouched(session.api, token)
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
def test_addresses_are_plain_ones(service: Service, session: Session, address: str) -> None:
    """A21: there is nothing in a request that the service could be led somewhere by."""
    token = token_for(session)

    said = Joiner(token, "w1", ("192.0.2.1", address)).join(service.port)

    assert said.status == 400
    assert untouched(session.api, token)


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
def test_malformed_documents_get_one_answer(service: Service, session: Session, which: str) -> None:
    """A16, A21."""
    token = token_for(session)
    with line(service.port) as made:
        good = Joiner(token).document(made.nonce(), made.server)
        said = made.post(MALFORMED[which](good))

    assert (said.status, said.body) == (400, b'{"error":"bad request"}')
    assert untouched(session.api, token)


JSON = ("content-type", "application/json")
TOO_MUCH: dict[str, tuple[bytes, int]] = {
    "announced": (b"content-length: 9999999\r\n\r\n", 413),
    "sent": (b"content-length: 20000\r\n\r\n" + b" " * 20_000, 413),
    "in-chunks": (
        b"transfer-encoding: chunked\r\n\r\n" + b"2000\r\n" + b" " * 8192 + b"\r\n"
        b"2001\r\n" + b" " * 8193 + b"\r\n0\r\n\r\n",
        400,
    ),
    "one-header": (b"x: " + b"x" * 9_000 + b"\r\n\r\n", 431),
    "many-headers": (b"".join(b"x%d: y\r\n" % one for one in range(1_000)) + b"\r\n", 431),
    "endless-header": (b"x: " + b"x" * 60_000, 431),
    "zipped": (b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\n\x1f\x8b", 415),
    "unknown-encoding": (b"transfer-encoding: gzip\r\n\r\n", 400),
    "no-length": (b"content-length: -1\r\n\r\n", 400),
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


HIDING = {
    "length-and-chunks": b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks-and-length": b"transfer-encoding: chunked\r\ncontent-length: 44\r\n\r\n0\r\n\r\n",
    "chunks": b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "list-of-lengths": b"content-length: 4, 4\r\n\r\nabcd",
    "same-length-twice": b"content-length: 4\r\ncontent-length: 4\r\n\r\nabcd",
    "two-lengths": b"content-length: 4\r\ncontent-length: 42\r\n\r\nabcd",
    "bare-lf": b"a: b\ncontent-length: 4\r\n\r\nabcd",
    "bare-lf-last": b"content-length: 4\r\n\nabcd",
    "bare-cr": b"a: b\rcontent-length: 42\r\n\r\n",
    "folded": b"a: b\r\n content-length: 42\r\n\r\n",
    "space-before-colon": b"content-length : 42\r\n\r\n",
}


@pytest.mark.parametrize("which", HIDING)
def test_a_request_within_another_is_not_answered(service: Service, which: str) -> None:
    """Whatever something in between takes for the body of the first one."""
    with line(service.port) as made:
        made.send(b"POST /join HTTP/1.1\r\nhost: x\r\n" + HIDING[which])
        made.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        said = made.hear()

        assert (said.status, said.error) == (400, "bad request")
        assert said.headers["connection"] == "close"
        with pytest.raises(Gone):
            made.hear()


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


CERTIFICATES = "certificates.k8s.io"
CSRS = "certificatesigningrequests"
ALLOWED = (
    Right("get", "configmaps", namespace=RECORDS),
    Right("get", "configmaps", namespace=CLAIMS),
    Right("create", "configmaps", namespace=CLAIMS),
    Right("create", "events", namespace=CLAIMS),
    Right("get", "nodes"),
    Right("create", CSRS, CERTIFICATES),
    Right("get", CSRS, CERTIFICATES),
)
REFUSED = (
    *EVERYTHING,
    Right("list", "configmaps", namespace=RECORDS),
    Right("create", "configmaps", namespace=RECORDS),
    Right("patch", "configmaps", namespace=RECORDS),
    Right("list", "configmaps", namespace=CLAIMS),
    Right("patch", "configmaps", namespace=CLAIMS),
    Right("delete", "configmaps", namespace=CLAIMS),
    Right("get", "configmaps", namespace=NAMESPACE),
    Right("get", "secrets", namespace=NAMESPACE),
    Right("get", "secrets", namespace=RECORDS),
    Right("list", "nodes"),
    Right("create", "nodes"),
    Right("patch", "nodes"),
    Right("delete", "nodes"),
    Right("list", CSRS, CERTIFICATES),
    Right("update", f"{CSRS}/approval", CERTIFICATES),
    Right("update", f"{CSRS}/status", CERTIFICATES),
    *(
        Right(verb, "signers", CERTIFICATES, name)
        for verb in ("approve", "sign")
        for name in (CLIENT_SIGNER, SERVING_SIGNER)
    ),
    Right("create", "pods", namespace=NAMESPACE),
    Right("create", "serviceaccounts/token", namespace=NAMESPACE),
    Right("create", "clusterrolebindings", RBAC),
    Right("impersonate", "users"),
)


@pytest.mark.parametrize(
    ("right", "is_theirs"),
    [*((one, True) for one in ALLOWED), *((one, False) for one in REFUSED)],
    ids=str,
)
def test_the_service_may_do_its_work_and_nothing_else(
    rig: Rig, credential: Path, right: Right, *, is_theirs: bool
) -> None:
    assert may(rig, TokenFile(credential), right) is is_theirs
