"""Certificate requests of kubelets (PKCS#10, RFC 2986): made by a host, judged by the cluster.

What a request may say is Kubernetes' own rule for its two kubelet signers, and stricter:
https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/
"""

import hashlib
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

from kubeception.config.names import node_of, of_kubelet
from kubeception.endpoints import Address

NODES = "system:nodes"
CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING_SIGNER = "kubernetes.io/kubelet-serving"
SIGNERS = (CLIENT_SIGNER, SERVING_SIGNER)
# A request of P-256 has 0.4 KiB, one of RSA-4096 1.6 KiB.
MAX_BYTES = 4096
_RSA_BITS = range(2048, 4097)
_Name = str | Address


def user(node: str) -> str:
    """Return the name by which the API knows a node's kubelet."""
    return of_kubelet(node)


def new(key: bytes, node: str) -> bytes:
    """Return the request (PEM) for a kubelet's client certificate."""
    return for_user(key, user(node), (NODES,))


def for_serving(key: bytes, node: str, addresses: tuple[Address, ...]) -> bytes:
    """Return the request (PEM) for what a kubelet serves with, by its name and at addresses."""
    return _signed(key, user(node), (NODES,), names=(node, *addresses))


def for_user(key: bytes, name: str, groups: Sequence[str]) -> bytes:
    """Return the request (PEM) for the client certificate of a user of the API."""
    return _signed(key, name, groups)


def _signed(
    key: bytes, name: str, groups: Sequence[str], *, names: tuple[_Name, ...] = ()
) -> bytes:
    private = load_pem_private_key(key, password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise TypeError(f"unsupported private key {type(private).__name__}")
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    subject.append(x509.NameAttribute(NameOID.COMMON_NAME, name))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    if names:
        said = [x509.DNSName(it) if isinstance(it, str) else x509.IPAddress(it) for it in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(said), critical=False)
    return builder.sign(private, hashes.SHA256()).public_bytes(Encoding.PEM)


def is_for(request: bytes, key: bytes, node: str) -> bool:
    """Tell whether a request is the one that `new` makes for a key and a node."""
    private = load_pem_private_key(key, password=None)
    return (
        client_problem(request, node) is None
        and _loaded(request).public_key() == private.public_key()
    )


def digest(request: bytes) -> bytes:
    """Return the SHA-256 of a request (PEM), as claims name it.

    Raises:
        ValueError: it is none.
    """
    return hashlib.sha256(_loaded(request).public_bytes(Encoding.DER)).digest()


def issued(certificate: bytes) -> tuple[str, str]:
    """Return whose kubelet's a client certificate (PEM) is, and its id as the API server says it.

    Raises:
        ValueError: it is none of a kubelet's.
    """
    found = x509.load_pem_x509_certificate(certificate)
    names = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    node = node_of(str(names[0].value)) if len(names) == 1 else None
    if not node:
        raise ValueError("is a certificate of no kubelet")
    return node, f"X509SHA256={hashlib.sha256(found.public_bytes(Encoding.DER)).hexdigest()}"


def address_problem(text: str) -> str | None:
    """Say why an address is none that a host of a cluster can have, or None.

    Each has one spelling only, none a zone, and an IPv4 address within an IPv6 one is refused.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return f"{text!r} is no address"
    is_none = (
        str(address) != text
        or address.is_loopback
        or address.is_multicast
        or address.is_unspecified
        or address.is_link_local
        or "%" in text
        or getattr(address, "ipv4_mapped", None) is not None
    )
    return f"{text!r} is no address that a host can have" if is_none else None


def client_problem(request: bytes, node: str) -> str | None:
    """Say why a request is none for the client certificate of a node's kubelet, or None."""
    try:
        found = _loaded(request)
    except ValueError as error:
        return str(error)
    return next(_problems(found, node, names=()), None)


def server_problem(request: bytes, node: str, addresses: tuple[Address, ...]) -> str | None:
    """Say why a request is none for the serving certificate of a node's kubelet, or None.

    It may only name the node, and the addresses that are known to be the node's.
    """
    try:
        found = _loaded(request)
    except ValueError as error:
        return str(error)
    return next(_problems(found, node, names=(node, *addresses)), None)


def _loaded(request: bytes) -> x509.CertificateSigningRequest:
    if len(request) > MAX_BYTES:
        raise ValueError(f"has more than {MAX_BYTES} bytes")
    try:
        found = x509.load_pem_x509_csr(request)
        written = found.public_bytes(Encoding.PEM)
    except Exception as error:
        raise ValueError("is no certificate request") from error
    # Whoever signs it reads it with another library, which may find something else in it, or
    # refuse white space around it.
    if request != written:
        raise ValueError("is no certificate request as one is written")
    return found


def _problems(
    found: x509.CertificateSigningRequest, node: str, *, names: tuple[_Name, ...]
) -> Iterator[str]:
    """Yield what is wrong, the cheapest to find out first; anything unreadable is wrong, too."""
    try:
        if not _has_good_key(found):
            yield "its key is neither P-256, P-384 nor RSA with 2048 to 4096 bits"
        elif sorted(_subject(found)) != sorted([("2.5.4.10", NODES), ("2.5.4.3", user(node))]):
            yield f"its subject is not O={NODES}, CN={user(node)}"
        elif problem := _names_problem(found, names):
            yield problem
        elif not found.is_signature_valid:
            yield "it is not signed by its own key"
    except Exception:  # noqa: BLE001 - see above
        yield "is no certificate request that can be read"


def _has_good_key(found: x509.CertificateSigningRequest) -> bool:
    key = found.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size in _RSA_BITS
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(
        key.curve, ec.SECP256R1 | ec.SECP384R1
    )


def _subject(found: x509.CertificateSigningRequest) -> list[tuple[str, str]]:
    return [(one.oid.dotted_string, str(one.value)) for one in found.subject]


def _names_problem(found: x509.CertificateSigningRequest, allowed: tuple[_Name, ...]) -> str | None:
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return "it names no host" if allowed else None
    for name in names:
        if not isinstance(name, x509.DNSName | x509.IPAddress):
            return f"it has a name of the kind {type(name).__name__}"
        if name.value not in allowed:
            return "it names a host or an address that is not known to be its own"
    return None if len(list(names)) else "it names no host"
