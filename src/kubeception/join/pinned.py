"""A TLS connection on which no byte is said before the other side is proven to be the pinned one.

Names and public CAs are not checked: a pin names one CA, which is for nothing else. There are no
redirects and no proxies.
"""

import _ssl
import contextlib
import hashlib
import http.client
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from kubeception.errors import ConfigError, JoinRefused
from kubeception.pki import token as tokens

CONNECT_S = 5.0
# The service gives a certificate ten seconds to be signed.
ANSWER_S = 15.0
_URL = "https://HOST:30000/join"


@dataclass(frozen=True)
class ServiceUrl:
    """Where the join service is."""

    host: str
    port: int
    path: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def place(url: str) -> ServiceUrl:
    """Read the URL of a join service.

    Raises:
        ConfigError: it is none.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    is_plain = not (parts.username or parts.password or parts.query or parts.fragment)
    if parts.scheme != "https" or not host or not is_plain:
        raise ConfigError(
            [f"--url is no URL such as {_URL}"],
            hint="kubeception token create prints it",
        )
    return ServiceUrl(host, port or 443, parts.path or "/")


@contextlib.contextmanager
def connected(
    at: ServiceUrl, *, pin: bytes, now: datetime
) -> Iterator[tuple[http.client.HTTPConnection, bytes]]:
    """Offer a connection to the service that a pin names, with the SHA-256 of its certificate.

    Raises:
        JoinRefused: another one is there; it has been told nothing.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # see _checked
    with socket.create_connection((at.host, at.port), timeout=CONNECT_S) as plain:
        try:
            secure = context.wrap_socket(plain, server_hostname=at.host)
        except ssl.SSLEOFError:
            raise
        except ssl.SSLError as error:
            raise JoinRefused(
                f"{at} is no join service: {error.reason or error}",
                hint=f"the URL is {_URL}",
            ) from error
        with secure:
            leaf = _checked(_presented(secure), pin=pin, now=now, at=at)
            secure.settimeout(ANSWER_S)
            connection = http.client.HTTPConnection(at.host, at.port)
            connection.sock = secure
            connection.auto_open = 0  # it would connect again without TLS
            yield connection, hashlib.sha256(leaf).digest()


def _presented(secure: ssl.SSLSocket) -> list[bytes]:
    """Return the certificates that the server showed, its own first (DER)."""
    # Public from Python 3.13 on; until then only the object below the socket has it.
    if hasattr(secure, "get_unverified_chain"):
        return list(secure.get_unverified_chain())
    below: Any = secure
    return [
        one.public_bytes(_ssl.ENCODING_DER) for one in below._sslobj.get_unverified_chain() or ()
    ]


def _checked(chain: list[bytes], *, pin: bytes, now: datetime, at: ServiceUrl) -> bytes:
    """Return the server's own certificate, once it is proven to be the pinned CA's."""
    try:
        certificates = [x509.load_der_x509_certificate(one) for one in chain]
    except ValueError as error:
        raise _stranger(at, "it shows no certificate that can be read") from error
    pinned = [one for one in certificates if _is_ca(one) and tokens.pin(one) == pin]
    if not pinned:
        raise _stranger(at, "its CA is not the one of the token")
    leaf = certificates[0]
    if not any(_issued(leaf, ca) for ca in pinned):
        raise _stranger(at, "its certificate is not by the token's CA")
    if not all(
        one.not_valid_before_utc <= now <= one.not_valid_after_utc for one in (leaf, *pinned)
    ):
        raise JoinRefused(
            f"{at}: its certificate is not valid at {now:%Y-%m-%d %H:%M} UTC",
            hint="timedatectl, on both hosts; kubeception bootstrap, there, renews it",
        )
    if not _is_server(leaf):
        raise _stranger(at, "its certificate is not a server's")
    return leaf.public_bytes(Encoding.DER)


def _stranger(at: ServiceUrl, why: str) -> JoinRefused:
    return JoinRefused(
        f"{at} is not the join service of the token's cluster: {why}; nothing was sent to it",
        hint="is the URL right? if so, somebody is in between",
    )


def _is_ca(one: x509.Certificate) -> bool:
    try:
        return bool(one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except (x509.ExtensionNotFound, ValueError):
        return False


def _issued(leaf: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(ca)
    except Exception:  # noqa: BLE001 - any reason means the same: not by this CA
        return False
    return True


def _is_server(leaf: x509.Certificate) -> bool:
    try:
        uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return ExtendedKeyUsageOID.SERVER_AUTH in uses
