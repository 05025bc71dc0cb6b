"""The in-cluster service that joining hosts talk to, over TLS 1.3 only.

It answers `/healthz`. All else, `/join` too until joining exists, is 404 with one body for all:
what a stranger asks for is never repeated. It reads two files and writes none.
"""

import logging
import signal
import socket
import ssl
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from kubeception import report
from kubeception.errors import KubeceptionError

log = logging.getLogger(__name__)

HEADER_BYTES = 8 * 1024
GRACE_S = 1  # answers take milliseconds; an idle client may not hold up a rollout


def application() -> Starlette:
    """Return what is served."""
    service = Starlette(
        routes=[Route("/healthz", _healthz)],
        exception_handlers={404: _not_found, 405: _not_found},
    )
    # A redirect would repeat the client's own Host header.
    service.router.redirect_slashes = False
    return service


async def _healthz(_: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


async def _not_found(_: Request, __: Exception) -> PlainTextResponse:
    return PlainTextResponse("not found", status_code=404)


def serve(certificate: Path, key: Path, *, address: str, port: int) -> None:
    """Serve until a signal to end comes; then finish what was asked, and exit with 0."""
    context = _tls(certificate, key)
    listener = _listener(address, port)
    signal.signal(signal.SIGTERM, _end)
    report.adopt("uvicorn", "asyncio")
    settings = uvicorn.Config(
        application(),
        ssl_context_factory=lambda *_: context,
        http="h11",
        ws="none",
        lifespan="off",
        h11_max_incomplete_event_size=HEADER_BYTES,
        timeout_graceful_shutdown=GRACE_S,
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        date_header=False,
    )
    log.info("listening on %s:%d", *listener.getsockname()[:2])
    uvicorn.Server(settings).run(sockets=[listener])


def _end(_: int, __: FrameType | None) -> None:
    # The server repeats the signal once it has shut down; by then there is nothing left to do.
    raise SystemExit(0)


def _tls(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise KubeceptionError(f"{certificate}, {key}: {error.strerror or error}") from error
    return context


def _listener(address: str, port: int) -> socket.socket:
    try:
        return socket.create_server((address, port))
    except OSError as error:
        what = str(error.strerror).partition(" (")[0]
        raise KubeceptionError(f"{address}:{port}: {what}") from error
