"""What a kubelet's certificate request may say, and what it may not."""

from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from kubeception.config.model import KeyAlgorithm
from kubeception.pki import issue, request

KEY = ec.generate_private_key(ec.SECP256R1())
SUBJECT = (("system:nodes", NameOID.ORGANIZATION_NAME), ("system:node:w1", NameOID.COMMON_NAME))
ADDRESS = ip_address("10.0.0.2")


def made(
    *names: x509.GeneralName,
    subject: tuple[tuple[str, x509.ObjectIdentifier], ...] = SUBJECT,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey = KEY,
) -> bytes:
    said = x509.Name([x509.NameAttribute(oid, text) for text, oid in subject])
    builder = x509.CertificateSigningRequestBuilder().subject_name(said)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(Encoding.PEM)


@pytest.mark.parametrize("algorithm", list(KeyAlgorithm))
def test_what_we_make_is_good(algorithm: KeyAlgorithm) -> None:
    ours = request.new(issue.new_key(algorithm), "w1")

    assert request.client_problem(ours, "w1") is None
    assert request.client_problem(ours, "w2") == (
        "its subject is not O=system:nodes, CN=system:node:w2"
    )


ORG, CN = NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME
BAD = {
    "masters": made(subject=(("system:masters", ORG), ("system:node:w1", CN))),
    "one more organisation": made(subject=(*SUBJECT, ("system:masters", ORG))),
    "two names": made(subject=(*SUBJECT, ("system:node:cp1", CN))),
    "no prefix": made(subject=(("system:nodes", ORG), ("w1", CN))),
    "one more attribute": made(subject=(*SUBJECT, ("unit", NameOID.ORGANIZATIONAL_UNIT_NAME))),
    "empty subject": made(subject=()),
    "a DNS name": made(x509.DNSName("w1")),
    "weak RSA": made(key=rsa.generate_private_key(65537, 1024)),  # noqa: S505 - it is to be refused
    "weak curve": made(key=ec.generate_private_key(ec.SECP224R1())),
    "another algorithm": made(key=ed25519.Ed25519PrivateKey.generate()),
    "too long": made(*(x509.DNSName(f"{n}.example") for n in range(400))),
    "a certificate": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "nothing": b"",
    "noise": bytes(range(256)),
    "one after another": made() + made(subject=SUBJECT[:1]),
    "one after noise": b"-----BEGIN X-----\n" + made(),
    "white space before": b"\n" + made(),
    "white space after": made() + b" \n",
    "headers": made().replace(b"REQUEST-----\n", b"REQUEST-----\nProc-Type: 4\n\n", 1),
    "lines of another length": made().replace(b"\n", b"\r\n"),
}


@pytest.mark.parametrize("pem", BAD.values(), ids=BAD.keys())
def test_what_is_bad_is_told(pem: bytes) -> None:
    assert request.client_problem(pem, "w1") is not None


def test_a_request_that_its_own_key_has_not_signed_is_told() -> None:
    der = bytearray(x509.load_pem_x509_csr(made()).public_bytes(Encoding.DER))
    der[-1] ^= 1  # within its signature
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM)

    assert request.client_problem(forged, "w1") == "it is not signed by its own key"


def test_a_serving_certificate_names_its_node_and_what_is_known_of_it() -> None:
    both = made(x509.DNSName("w1"), x509.IPAddress(ADDRESS))

    assert request.server_problem(both, "w1", (ip_address("10.0.0.2"),)) is None
    assert request.server_problem(made(x509.DNSName("w1")), "w1", (ip_address("10.0.0.2"),)) is None


@pytest.mark.parametrize(
    "names",
    [
        (),
        (x509.DNSName("w2"),),
        (x509.DNSName("w1"), x509.DNSName("kubernetes")),
        (x509.IPAddress(ip_address("10.0.0.1")),),
        (x509.DNSName("10.0.0.2"),),
        (x509.RFC822Name("a@w1"),),
        (x509.UniformResourceIdentifier("spiffe://w1"),),
        (x509.DNSName("*"),),
    ],
)
def test_other_names_are_told(names: tuple[x509.GeneralName, ...]) -> None:
    assert request.server_problem(made(*names), "w1", (ip_address("10.0.0.2"),)) is not None
