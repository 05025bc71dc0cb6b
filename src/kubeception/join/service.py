"""The in-cluster service that joining hosts talk to, over TLS 1.3 only.

It reads its certificates and the credential of its ServiceAccount, and writes no file.
"""

import asyncio
import contextlib
import hashlib
import logging
import resource
import signal
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from kubeception import report
from kubeception.config.names import Reserved
from kubeception.errors import KubeceptionError
from kubeception.join import wire
from kubeception.join.admission import Admission, ClusterInfo
from kubeception.join.cluster import Cluster
from kubeception.join.router import Router
from kubeception.join.slots import Connections
from kubeception.kube.client import Api, TokenFile

log = logging.getLogger(__name__)

GRACE_S = 3.0  # a join that takes longer is asked for again, of the one that comes after us
API_TIMEOUT_S = 3.0
_WAITING = 4096  # connections that are not accepted yet


@dataclass(frozen=True)
class ServiceOptions:
    """Where it listens, what it shows, whom it asks, and what it tells hosts that join.

    `ca` is the CA of its own certificate, `cluster_ca` that of the API. Of the API's URLs, which
    hosts are told, it asks the first one itself. No host may be called what is `reserved`.
    """

    certificate: Path
    key: Path
    ca: Path
    address: str
    port: int
    api: str
    endpoints: tuple[str, ...]
    cluster_ca: Path
    token: Path
    cluster_dns: str
    reserved: Reserved


def serve(settings: ServiceOptions) -> None:
    """Serve until a signal to end comes; then finish what was asked, and exit with 0."""
    context = _tls(settings)
    info = ClusterInfo(
        ca=settings.cluster_ca.read_text(errors="replace"),
        apiservers=settings.endpoints,
        kubelet=wire.KubeletSettings(settings.cluster_dns, settings.reserved.cluster_domain),
    )
    api = Api(
        settings.api,
        settings.cluster_ca,
        TokenFile(settings.token),
        timeout_s=API_TIMEOUT_S,
        longest_s=API_TIMEOUT_S,
        retry_s=0,
    )
    _allow_descriptors()
    listener = _listener(settings.address, settings.port)
    signal.signal(signal.SIGTERM, _end)
    report.adopt("asyncio")
    admission = Admission(Cluster(api), _digest(settings.certificate), info, settings.reserved)
    with listener, contextlib.closing(api):
        log.info("listening on %s:%d", *listener.getsockname()[:2])
        asyncio.run(_serve(Router(admission), listener, context))


async def _serve(router: Router, listener: socket.socket, context: ssl.SSLContext) -> None:
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    connections = Connections(router.talk, context)
    accepting = asyncio.create_task(connections.accept(listener))
    await ending.wait()
    accepting.cancel()
    await connections.end(within_s=GRACE_S)


def _end(_: int, __: FrameType | None) -> None:
    raise SystemExit(0)


def _tls(settings: ServiceOptions) -> ssl.SSLContext:
    """Return TLS that shows the certificate and its CA, which a client knows by the CA's pin."""
    certificate, key, ca = settings.certificate, settings.key, settings.ca
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0  # nobody comes twice
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise KubeceptionError(f"{certificate}, {key}: {error.strerror or error}") from error
    try:
        shown = x509.load_pem_x509_certificate(certificate.read_bytes())
        shown.verify_directly_issued_by(x509.load_pem_x509_certificate(ca.read_bytes()))
    except Exception as error:
        raise KubeceptionError(f"{certificate}: is not signed by {ca}") from error
    # OpenSSL sends the chain that it finds here.
    context.load_verify_locations(ca)
    return context


def _digest(certificate: Path) -> bytes:
    shown = x509.load_pem_x509_certificate(certificate.read_bytes())
    return hashlib.sha256(shown.public_bytes(Encoding.DER)).digest()


def _allow_descriptors() -> None:
    """Have as many descriptors as this process may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _listener(address: str, port: int) -> socket.socket:
    try:
        return socket.create_server((address, port), backlog=_WAITING)
    except OSError as error:
        what = str(error.strerror).partition(" (")[0]
        raise KubeceptionError(f"{address}:{port}: {what}") from error
