"""What two trees of files have to have in common, made at different times with different keys."""

import json
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.utils import CryptographyDeprecationWarning

Said = tuple[object, ...]
Shape = dict[str, Said]

# What is drawn by lot each time a certificate is made.
_OWN = (x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier)
_BEGIN = b"-----BEGIN "
_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----\n.*?\n-----END \1-----\n", re.DOTALL)
# What makes one etcd cluster another one than the next.
_DRAWN = re.compile(rb'((?:CLUSTER|MEMBER|TOKEN)=)"[0-9a-f]+"')
UNFINISHED = ".kubeception-unfinished"
_SUFFIXES = {".crt", ".csr", ".key", ".pem", ".pub"}
_PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


@dataclass(frozen=True)
class Block:
    """A key, a certificate or a request for one: whose it is, by its public key, and what it says
    besides that and what is drawn by lot.
    """

    kind: str
    public: bytes
    said: Said


def shape(root: Path, *folders: str) -> Shape:
    """Return every path below folders of a root: its type, mode and owner, and what it says.

    Keys, serials, signatures and dates are masked; how long a certificate is good is not, nor to
    which of the others a key belongs. What is no whole key or certificate is told as it is.
    """
    found: dict[str, Said] = {}
    holders: dict[bytes, list[str]] = {}
    for path in _below(root, folders):
        for one in blocks(path) or ():
            holders.setdefault(one.public, []).append(str(path.relative_to(root)))
    for path in _below(root, folders):
        stat = path.lstat()
        owner = (f"{stat.st_mode:o}", stat.st_uid, stat.st_gid)
        found[str(path.relative_to(root))] = (*owner, _said(path, holders))
    return found


def difference(left: Shape, right: Shape) -> list[str]:
    """Return what differs between two trees, a line for each path."""
    return [
        f"{path}: {left.get(path, 'missing')} != {right.get(path, 'missing')}"
        for path in sorted({*left, *right})
        if left.get(path) != right.get(path)
    ]


def torn(root: Path, *folders: str) -> list[str]:
    """Return what is not whole below folders of a root, a line for each file.

    It is empty or breaks off, is no key or certificate where its name says so, or its key is not
    that of its certificate. What says by its name that it is unfinished may be anything.
    """
    found: list[str] = []
    for path in _below(root, folders):
        if path.is_symlink() or not path.is_file() or path.name.startswith("."):
            continue
        # A snapshot of etcd's is no text; whether it is whole, its own hash says.
        if path.parent.name.endswith(UNFINISHED) or path.suffix == ".db":
            continue
        content = path.read_bytes()
        name = path.relative_to(root)
        if path.suffix in _SUFFIXES and not blocks(path):
            found.append(f"{name}: no whole key or certificate: {content!r:.80}")
        elif path.suffix not in _SUFFIXES and not _is_text_to_its_end(content):
            found.append(f"{name}: breaks off: {content!r:.80}")
        elif len({one.public for one in _pair(path)}) > 1:
            found.append(f"{name}: the key is another one's")
    return found


def blocks(path: Path) -> list[Block] | None:
    """Return the keys and certificates in a file, None where not all that is in it is whole."""
    if path.is_symlink() or not path.is_file():
        return None
    content = path.read_bytes()
    if not content.startswith(_BEGIN) or _BLOCK.sub(b"", content):
        return None
    with warnings.catch_warnings():
        # An operating system trusts CAs that no CA may be like today.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        try:
            return [_block(found[1].decode(), found[0]) for found in _BLOCK.finditer(content)]
        except (TypeError, ValueError):
            return None


def _is_text_to_its_end(content: bytes) -> bool:
    if b"\0" in content or not content.endswith((b"\n", b"}")):
        return False
    said = b"".join(line for line in content.splitlines() if not line.startswith(b"#"))
    try:
        return not said.startswith(b"{") or bool(json.loads(said))
    except ValueError:
        return False


def _below(root: Path, folders: tuple[str, ...]) -> Iterator[Path]:
    for folder in folders or (".",):
        if os.path.lexists(root / folder):
            yield root / folder
        yield from sorted((root / folder).rglob("*"))


def _pair(path: Path) -> Iterator[Block]:
    """Yield what has to be of one key: all in a file, and what lies beside a key by its name."""
    yield from blocks(path) or ()
    if path.suffix == ".key":
        for suffix in (".crt", ".csr", ".pub"):
            yield from blocks(path.with_suffix(suffix)) or ()


def _said(path: Path, holders: dict[bytes, list[str]]) -> object:
    if path.is_symlink():
        return str(path.readlink())
    if not path.is_file():
        return None
    found = blocks(path)
    if found is None:
        return _DRAWN.sub(rb"\1", path.read_bytes())
    return tuple((one.kind, one.said, tuple(holders[one.public])) for one in found)


def _block(kind: str, pem: bytes) -> Block:
    match kind:
        case "CERTIFICATE":
            made = x509.load_pem_x509_certificate(pem)
            said: Said = (
                made.subject.rfc4514_string(),
                made.issuer.rfc4514_string(),
                made.not_valid_after_utc - made.not_valid_before_utc,
                tuple(str(one) for one in made.extensions if not isinstance(one.value, _OWN)),
            )
            return Block(kind, _public(made.public_key()), said)
        case "CERTIFICATE REQUEST":
            asked = x509.load_pem_x509_csr(pem)
            return Block(kind, _public(asked.public_key()), (asked.subject.rfc4514_string(),))
        case "PUBLIC KEY":
            return Block(kind, _public(serialization.load_pem_public_key(pem)), ())
        case _:
            key = serialization.load_pem_private_key(pem, password=None)
            return Block(kind, _public(key.public_key()), ())


def _public(key: object) -> bytes:
    if not isinstance(key, _PublicKey):
        raise TypeError(f"a key of a kind that nothing of ours has: {key}")
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
