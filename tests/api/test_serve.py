"""`kubeception serve` as a process, talked to over loopback by real clients."""

import contextlib
import http.client
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.api.rig import Rig

LINE = re.compile(r" INFO \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ: kubeception::join::service: .*\n")


@dataclass(frozen=True)
class Service:
    """A running service and how to reach it."""

    process: subprocess.Popen[str]
    port: int
    certificate: Path

    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    def connect(self, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.port), 10)
        try:
            return (context or self.client()).wrap_socket(plain, server_hostname="127.0.0.1")
        finally:
            plain.close()

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, str, list[str]]:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=10, context=self.client()
        )
        with contextlib.closing(connection):
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), [name for name, _ in answer.getheaders()]

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the files of a certificate for 127.0.0.1 and of its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name.from_rfc4514_string("CN=kubeception-join")
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    files = folder / "join.crt", folder / "join.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


def command(certificate: Path, key: Path, port: int = 0, ca: Path | None = None) -> list[str]:
    """Return the command; there is no API behind it."""
    files = ["--certificate", str(certificate), "--key", str(key), "--ca", str(ca or certificate)]
    return [
        *(sys.executable, "-m", "kubeception", "serve", *files),
        *("--address", "127.0.0.1", "--port", str(port)),
        *("--api", "https://127.0.0.1:1", "--endpoint", "https://127.0.0.1:1"),
        *("--cluster-ca", str(certificate)),
        *("--token", str(certificate), "--cluster-dns", "10.3.0.10", "--cluster-domain", "local"),
    ]


@contextlib.contextmanager
def running(certificate: Path, key: Path) -> Iterator[Service]:
    with subprocess.Popen(command(certificate, key), stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            line = process.stderr.readline()
            assert LINE.fullmatch(line), line
            yield Service(process, int(line.rpartition(":")[2]), certificate)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def service(pair: tuple[Path, Path]) -> Iterator[Service]:
    with running(*pair) as service:
        yield service


def test_it_says_that_it_is_there(service: Service) -> None:
    status, body, headers = service.ask("GET", "/healthz")

    assert (status, body) == (200, "ok")
    assert headers == ["content-length", "content-type"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", path) for path in ("/", "/join/", "/healthz/", "/../etc/passwd", "/%00?a=b")),
        *((method, "/join") for method in ("PUT", "OPTIONS", "TRACE", "DELETE")),
        *((method, "/healthz") for method in ("POST", "DELETE")),
        # To be led elsewhere.
        ("CONNECT", "192.0.2.1:6443"),
        *(("GET", url) for url in ("https://192.0.2.1/join", "//192.0.2.1/join", "*")),
    ],
)
def test_everything_else_gets_one_and_the_same_answer(
    service: Service, method: str, path: str
) -> None:
    assert service.ask(method, path)[:2] == (404, "not found")


def test_a_body_is_not_waited_for(service: Service) -> None:
    with service.connect() as client:
        client.sendall(b"POST /join HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n")

        assert client.recv(12) == b"HTTP/1.1 413"


def test_headers_have_an_end(service: Service) -> None:
    with service.connect() as client:
        # One TLS record, read as a whole: the answer is not lost over what nobody reads.
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 9_000)

        assert client.recv(12) == b"HTTP/1.1 431"


def test_only_tls_1_3_is_spoken(service: Service) -> None:
    with service.connect() as client:
        assert client.version() == "TLSv1.3"

    older = service.client()
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(OSError), service.connect(older):
        pass


def test_plain_http_gets_no_answer(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), 10) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")

        with contextlib.suppress(ConnectionResetError):
            assert plain.recv(1000) == b""


def test_silent_clients_hold_nobody_up(service: Service) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(socket.create_connection(("127.0.0.1", service.port), 10))

        assert service.ask("GET", "/healthz")[0] == 200


def test_sigterm_ends_it_with_success_also_while_a_client_is_connected(
    pair: tuple[Path, Path],
) -> None:
    with running(*pair) as service:
        client = http.client.HTTPSConnection("127.0.0.1", service.port, context=service.client())
        with contextlib.closing(client):
            client.request("GET", "/healthz")
            client.getresponse().read()

            assert service.end() == 0


def test_a_key_that_is_not_the_certificates_is_named(pair: tuple[Path, Path]) -> None:
    certificate, _ = pair
    done = subprocess.run(
        command(certificate, certificate), capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {certificate}, {certificate}: ")


def test_a_certificate_of_another_ca_is_named(pair: tuple[Path, Path], rig: Rig) -> None:
    certificate, key = pair
    other = rig.session().layout.pki.join_ca.certificate
    done = subprocess.run(
        command(certificate, key, ca=other), capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert done.stderr == f"error: {certificate}: is not signed by {other}\n"


def test_a_taken_port_is_named(pair: tuple[Path, Path], service: Service) -> None:
    done = subprocess.run(command(*pair, service.port), capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr == f"error: 127.0.0.1:{service.port}: Address already in use\n"
