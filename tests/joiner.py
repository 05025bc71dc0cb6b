"""A host that joins, as bytes on a socket: it can do everything wrong that one can do wrong."""

import contextlib
import hashlib
import json
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kubeception.config.model import KeyAlgorithm
from kubeception.pki import issue
from kubeception.pki import request as requests
from kubeception.pki.token import Claim, Token

TIMEOUT_S = 20.0
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Said:
    """What the service answered: status, headers in lower case, and the body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The reason of a refusal, which has this one shape."""
        document = self.document
        assert set(document) == {"error"}, document
        assert self.headers["content-type"] == "application/json"
        return str(document["error"])


class Gone(Exception):
    """The service has ended the connection without an answer."""


def context(highest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """Return TLS that trusts anybody; the pin is tested where the real client is."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.maximum_version = highest
    return made


CONTEXT = context()


class Line:
    """One TLS connection to the service."""

    def __init__(self, port: int, host: str = LOOPBACK) -> None:
        plain = socket.create_connection((host, port), TIMEOUT_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.tls = CONTEXT.wrap_socket(plain)
        except BaseException:
            plain.close()
            raise
        certificate = self.tls.getpeercert(binary_form=True)
        assert certificate
        self.server = hashlib.sha256(certificate).digest()
        self._left = b""

    def close(self) -> None:
        self.tls.close()

    def send(self, raw: bytes) -> None:
        """Send bytes as they are.

        Raises:
            Gone: the service has had enough.
        """
        try:
            self.tls.sendall(raw)
        except (ssl.SSLError, ConnectionError) as error:
            raise Gone from error

    def ask(self, method: str, path: str, body: bytes = b"", *headers: tuple[str, str]) -> Said:
        """Ask for something and return the answer."""
        lines = [f"{method} {path} HTTP/1.1", "host: join"]
        lines += [f"{name}: {value}" for name, value in headers]
        lines.append(f"content-length: {len(body)}")
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return self.hear()

    def hear(self) -> Said:
        """Read one answer.

        Raises:
            Gone: there is none.
        """
        while b"\r\n\r\n" not in self._left:
            self._more()
        head, _, self._left = self._left.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        length = int(headers.get("content-length", "0"))
        while len(self._left) < length:
            self._more()
        body, self._left = self._left[:length], self._left[length:]
        return Said(int(first.split()[1]), headers, body)

    def _more(self) -> None:
        try:
            more = self.tls.recv(65536)
        except (ssl.SSLError, ConnectionError) as error:
            raise Gone from error
        if not more:
            raise Gone
        self._left += more

    def nonce(self) -> str:
        """Return a nonce for this connection."""
        said = self.ask("GET", "/join")
        assert said.status == 200, said
        assert set(said.document) == {"nonce"}
        return str(said.document["nonce"])

    def post(self, document: Any, *headers: tuple[str, str]) -> Said:
        """Send a request to join, or what is none; bytes are sent as they are."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self.ask(
            "POST", "/join", body, *(headers or (("content-type", "application/json"),))
        )


@contextlib.contextmanager
def line(port: int, host: str = LOOPBACK) -> Iterator[Line]:
    """Connect for the length of the block."""
    made = Line(port, host)
    try:
        yield made
    finally:
        made.close()


@dataclass
class Joiner:
    """A host with a token, which makes requests to join; each field can be made wrong."""

    token: Token
    node: str = "w1"
    addresses: tuple[str, ...] = ("192.0.2.21",)
    key: bytes = field(default_factory=lambda: issue.new_key(KeyAlgorithm.ECDSA_P256))
    request: bytes = b""

    def __post_init__(self) -> None:
        self.request = self.request or requests.new(self.key, self.node)

    def document(self, nonce: str, server: bytes, **wrong: Any) -> dict[str, Any]:
        """Return a request over a nonce; what is named is put in its place afterwards."""
        try:
            digest = requests.digest(self.request)
        except ValueError:
            digest = bytes(32)
        claim = Claim(
            token=self.token.id,
            node=self.node,
            addresses=self.addresses,
            server=server,
            nonce=bytes.fromhex(nonce),
            request=digest,
        )
        made = {
            "token": self.token.id,
            "node": self.node,
            "addresses": list(self.addresses),
            "nonce": nonce,
            "request": self.request.decode(),
            "proof": self.token.sign(claim).hex(),
        }
        return {**made, **wrong}

    def prove(self, document: dict[str, Any], server: bytes) -> dict[str, Any]:
        """Return a document proven anew over what it says now; as it is where it says nonsense."""
        try:
            claim = Claim(
                token=document["token"],
                node=document["node"],
                addresses=tuple(document["addresses"]),
                server=server,
                nonce=bytes.fromhex(document["nonce"]),
                request=requests.digest(document["request"].encode()),
            )
            return {**document, "proof": self.token.sign(claim).hex()}
        except (KeyError, TypeError, ValueError, AttributeError):
            return document

    def join(self, port: int, host: str = LOOPBACK, **wrong: Any) -> Said:
        """Join on a connection of its own."""
        with line(port, host) as made:
            return made.post(self.document(made.nonce(), made.server, **wrong))

    def persist(self, port: int, host: str = LOOPBACK, *, patience_s: float) -> Said:
        """Join, and come again for as long as it is put off or shown out, as it is told to."""
        until = time.monotonic() + patience_s
        while True:
            after_s = 1
            try:
                said = self.join(port, host)
                if said.status != 503 or time.monotonic() > until:
                    return said
                after_s = int(said.headers["retry-after"])
            except (Gone, OSError):  # who is slow to speak is shown out
                if time.monotonic() > until:
                    raise
            time.sleep(after_s)
