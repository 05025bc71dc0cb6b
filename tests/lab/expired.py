"""A CA whose time is over, which no lab waits for."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa


def ca(pem: str, key: str) -> str:
    """Return a CA's certificate as its key would have signed it eleven years ago, for ten."""
    before = x509.load_pem_x509_certificate(pem.encode())
    own = serialization.load_pem_private_key(key.encode(), None)
    assert isinstance(own, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    long_ago = datetime.now(UTC) - timedelta(days=11 * 365)
    made = x509.CertificateBuilder(
        before.subject,
        before.subject,
        own.public_key(),
        x509.random_serial_number(),
        long_ago,
        long_ago + timedelta(days=10 * 365),
        list(before.extensions),
    )
    signed = made.sign(own, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()
