"""A webhook of somebody else's that answers: it refuses what it is asked about, or changes it."""

import base64
import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from kubeception.config.model import KeyAlgorithm
from kubeception.pki import issue
from kubeception.pki.catalog import CertificateSpec, Use

LOOPBACK = "127.0.0.1"
Answer = dict[str, Any]
DENIED: Answer = {"allowed": False, "status": {"message": "not here"}}


def changing(*patch: dict[str, Any]) -> Answer:
    """Return the answer that has an object changed."""
    encoded = base64.b64encode(json.dumps(patch).encode()).decode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": encoded}


@dataclass(frozen=True)
class WebhookServer:
    """Where it listens, whom it is to be trusted by, and how often it was asked."""

    port: int
    ca: bytes
    asked: list[str]

    def client(self) -> dict[str, Any]:
        """Return its part of a webhook's configuration."""
        bundle = base64.b64encode(self.ca).decode()
        return {"url": f"https://{LOOPBACK}:{self.port}/", "caBundle": bundle}


@contextlib.contextmanager
def answering(answer: Answer, folder: Path) -> Iterator[WebhookServer]:
    """Have one answer every question alike for the length of the block."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            review = json.loads(self.rfile.read(length))
            asked.append(review["request"]["resource"]["resource"])
            review["response"] = {"uid": review["request"]["uid"], **answer}
            body = json.dumps(review).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    ca = _certificate(folder)
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(folder / "tls.pem")
    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        server.socket = trust.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield WebhookServer(server.server_address[1], ca, asked)
        finally:
            server.shutdown()
            thread.join()


def _certificate(folder: Path) -> bytes:
    """Write a certificate for loopback with its key, and return that of its CA."""
    now, keys = datetime.now(UTC), [issue.new_key(KeyAlgorithm.ECDSA_P256) for _ in "ab"]
    of_ca = CertificateSpec("webhooks", frozenset({Use.CA}))
    ca = issue.certificate(of_ca, keys[0], signer=None, now=now)
    own = CertificateSpec("guard", frozenset({Use.SERVER}), addresses=(ip_address(LOOPBACK),))
    signed = issue.certificate(own, keys[1], signer=issue.Signer(ca, keys[0]), now=now)
    (folder / "tls.pem").write_bytes(signed + keys[1])
    return ca
