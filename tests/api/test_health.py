"""How a server takes a question tells whether it hangs, or is not reached at all."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from tests.fixed import CONFIG, HOST

from kubeception.config.model import KeyAlgorithm
from kubeception.kube import health, proxy
from kubeception.kube.health import HealthAnswer
from kubeception.pki import catalog, issue


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    entry = next(e for e in catalog.entries(CONFIG, HOST.node, HOST.address) if e.spec.is_ca)
    key = issue.new_key(KeyAlgorithm.ECDSA_P256)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    path = tmp_path / "ca.crt"
    path.write_bytes(issue.certificate(entry.spec, key, signer=None, now=now))
    return path


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """One that takes connections by its kernel's hand alone, and says no word."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        yield listening


def test_one_that_says_no_word_hangs(ca: Path) -> None:
    """With seats enough for who asks again, as on a machine that is slow."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert health.answer(server.getsockname()[1], ca) is HealthAnswer.NONE


def test_one_whose_kernel_does_not_answer_either_is_not_reached(
    ca: Path, server: socket.socket
) -> None:
    """As where a packet filter drops what is sent to it; here nobody has a seat left."""
    with ExitStack() as stack:
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(server.getsockname())

        assert health.answer(server.getsockname()[1], ca) is HealthAnswer.UNREACHABLE


def test_one_that_is_not_there_refuses(ca: Path, server: socket.socket) -> None:
    port = server.getsockname()[1]
    server.close()

    assert health.answer(port, ca) is HealthAnswer.REFUSED


def test_a_kube_proxy_that_hangs_or_is_not_there_is_not_well(server: socket.socket) -> None:
    port = server.getsockname()[1]
    assert proxy.problem(port) == f"127.0.0.1:{port}: timed out"

    server.close()
    assert "Connection refused" in str(proxy.problem(port))


@pytest.mark.parametrize(("status", "is_well"), [(200, True), (503, False)])
def test_a_kube_proxy_says_itself_whether_it_is_well(status: int, *, is_well: bool) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/livez" else 404)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Answer) as there:
        Thread(target=there.serve_forever, daemon=True).start()
        said = proxy.problem(there.server_port)
        there.shutdown()

    assert said == (None if is_well else f"127.0.0.1:{there.server_port}: /livez answers 503")
