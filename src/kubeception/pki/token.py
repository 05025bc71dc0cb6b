"""Join tokens: what a person carries to a new host, and what that host proves with it.

A token is a private key and a pin. The cluster keeps the public half, so that whoever reads what is
kept there can't join with it; the pin tells the joining host that it talks to its own cluster
before it sends a byte.
"""

import hashlib
import json
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_VERSION = "kc1"
_LABEL = "kubeception join 1"
_ID = re.compile(r"[a-z0-9]{10}")
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_KEY_BYTES = 32


class Role(StrEnum):
    """What a host may join as."""

    WORKER = "worker"
    CONTROL_PLANE = "control-plane"


@dataclass(frozen=True)
class Token:
    """A token: its public name, the seed of its key, and the pin of the join service's CA."""

    id: str
    seed: bytes = field(repr=False)
    pin: bytes

    @property
    def public_key(self) -> bytes:
        """The public half of its key, 32 bytes (Ed25519, RFC 8032)."""
        return _key(self.seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def text(self) -> str:
        """Return it as a person carries it: `kc1.<id>.<seed>.<pin>`."""
        return ".".join((_VERSION, self.id, _encoded(self.seed), _encoded(self.pin)))

    def sign(self, claim: "Claim") -> bytes:
        """Return the proof that a claim is made by who holds the token."""
        return _key(self.seed).sign(claim.statement())


@dataclass(frozen=True)
class Claim:
    """What a joining host proves with its token.

    `server` is the SHA-256 of the certificate (DER) that it was shown, which stands for the
    connection: Python's TLS has no exporter (RFC 8446, 7.5). `request` is the SHA-256 of its
    certificate request (DER).
    """

    token: str
    node: str
    addresses: tuple[str, ...]
    server: bytes
    nonce: bytes
    request: bytes

    def statement(self) -> bytes:
        """Return the bytes that are signed; no two claims share them."""
        parts = [
            _LABEL,
            self.token,
            self.node,
            list(self.addresses),
            self.server.hex(),
            self.nonce.hex(),
            self.request.hex(),
        ]
        return json.dumps(parts, separators=(",", ":")).encode()


def new(*, ca: bytes) -> Token:
    """Return a new token for the cluster whose join CA is given as PEM."""
    name = "".join(secrets.choice(_ID_LETTERS) for _ in range(10))
    return Token(name, secrets.token_bytes(_KEY_BYTES), pin(x509.load_pem_x509_certificate(ca)))


def parse(text: str) -> Token:
    """Read a token; white space around it does not matter.

    Raises:
        ValueError: it is none; the message never repeats it.
    """
    version, *parts = text.strip().split(".")
    if version != _VERSION or len(parts) != 3:
        raise ValueError(f"is no token: it has to be {_VERSION}.<id>.<seed>.<pin>")
    name, seed, pinned = parts
    if not is_id(name):
        raise ValueError("is no token: its second part is no id")
    return Token(name, _decoded(seed, "third"), _decoded(pinned, "fourth"))


def is_id(text: str) -> bool:
    """Tell whether a text may be a token's id."""
    return _ID.fullmatch(text) is not None


def verifies(public_key: bytes, proof: bytes, claim: Claim) -> bool:
    """Tell whether a claim was made by who holds the token of a public key."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(proof, claim.statement())
    except (InvalidSignature, ValueError):
        return False
    return True


def pin(ca: x509.Certificate) -> bytes:
    """Return the SHA-256 of a CA's public key, as kubeadm pins one (RFC 7469, 2.4)."""
    spki = ca.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()


def _key(seed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed)


def _encoded(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def _decoded(text: str, which: str) -> bytes:
    try:
        value = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        value = b""
    # Only the one spelling of it: base64 ignores what it doesn't know.
    if len(value) != _KEY_BYTES or _encoded(value) != text:
        raise ValueError(f"is no token: its {which} part is damaged")
    return value
