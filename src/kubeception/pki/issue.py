"""Issue certificates and keys, and say what is wrong with one that is there.

Every leaf carries subject and authority key identifiers, and is valid from five minutes ago so that
hosts whose clocks differ a little accept it at once.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kubeception.config.model import KeyAlgorithm
from kubeception.config.names import LONGEST_COMMON_NAME
from kubeception.errors import KubeceptionError
from kubeception.pki.catalog import CertificateSpec, Use

BACKDATED = timedelta(minutes=5)
NOT_ITS_KEYS = "does not belong to its key"
NOT_BY_ITS_CA = "is not signed by its CA"

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_KEY = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?-----END \1-----\n?", re.DOTALL)
_PUBLIC = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----\n?", re.DOTALL)
_PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Signer:
    """A CA as PEM: its certificate and its private key."""

    certificate: bytes
    key: bytes


def new_key(algorithm: KeyAlgorithm) -> bytes:
    """Return a new private key as PEM (PKCS#8)."""
    key: _PrivateKey
    if algorithm is KeyAlgorithm.RSA_2048:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    else:
        key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def public_key(key: bytes) -> bytes:
    """Return a private key's public half as PEM.

    The API server refuses a PKCS#8 private key as a ServiceAccount verification key, so the public
    half is a file of its own.
    """
    return (
        _load_key(key)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def public_key_of(certificate: bytes) -> bytes:
    """Return the public key that a certificate is about, as PEM."""
    public = x509.load_pem_x509_certificate(certificate).public_key()
    return public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def public_keys(pem: bytes) -> set[bytes]:
    """Return every public key of a file as PEM; what can't be read is none."""
    found = set()
    for one in _PUBLIC.findall(pem):
        try:
            key = serialization.load_pem_public_key(one)
        except (ValueError, TypeError):
            continue
        found.add(
            key.public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
    return found


def is_signed_by(certificate: bytes, ca: bytes) -> bool:
    """Tell whether a certificate was signed by the key of another one."""
    try:
        x509.load_pem_x509_certificate(certificate).verify_directly_issued_by(
            x509.load_pem_x509_certificate(ca)
        )
    except Exception:  # noqa: BLE001 - any reason means the same: not by this CA
        return False
    return True


def certificate(
    spec: CertificateSpec, key: bytes, *, signer: Signer | None, now: datetime
) -> bytes:
    """Return a certificate for `key` as PEM; without a signer it signs itself."""
    own_key = _load_key(key)
    subject = _subject(spec)
    if signer is None:
        issuer, signing_key = subject, own_key
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(own_key.public_key())
    else:
        ca = x509.load_pem_x509_certificate(signer.certificate)
        issuer, signing_key = ca.subject, _load_key(signer.key)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(own_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + spec.lifetime)
        .add_extension(x509.BasicConstraints(ca=spec.is_ca, path_length=None), critical=True)
        .add_extension(_key_usage(spec), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(own_key.public_key()), critical=False
        )
        .add_extension(authority, critical=False)
    )
    if not spec.is_ca:
        builder = builder.add_extension(_extended_usage(spec), critical=False)
    names = _alternative_names(spec)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signing_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def is_certificate(pem: bytes) -> bool:
    """Tell whether a text holds a certificate."""
    try:
        x509.load_pem_x509_certificate(pem)
    except ValueError:
        return False
    return True


def certificates(pem: bytes) -> list[bytes]:
    """Return each certificate of a text as PEM; what can't be read is none."""
    return [one + b"\n" for one in _CERTIFICATE.findall(pem) if is_certificate(one)]


def valid_from(pem: bytes) -> datetime:
    """Return from when on a certificate holds."""
    return x509.load_pem_x509_certificate(pem).not_valid_before_utc


def valid_until(pem: bytes) -> datetime:
    """Return until when a certificate holds."""
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc


def issuer(pem: bytes) -> str:
    """Return the common name of who signed a certificate, or its whole name where it has none."""
    found = x509.load_pem_x509_certificate(pem).issuer
    names = found.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else found.rfc4514_string()


def halves(pem: bytes) -> tuple[bytes, bytes | None]:
    """Return the certificate and the key of a file that holds both, as a kubelet writes it."""
    key = _KEY.search(pem)
    return (_KEY.sub(b"", pem), key[0].rstrip() + b"\n") if key else (pem, None)


def key_problem(key: bytes) -> str | None:
    """Say what is wrong with a private key, or None."""
    try:
        _load_key(key)
    except (ValueError, TypeError):
        return "is no private key"
    return None


def certificate_problem(
    spec: CertificateSpec, pem: bytes, key: bytes | None, *, ca: bytes | None, now: datetime
) -> str | None:
    """Say why a certificate that is there won't do for `spec`, or None if it is good."""
    if (problem := pair_problem(pem, key, ca=ca, now=now)) or spec.is_ca:
        return problem
    cert = x509.load_pem_x509_certificate(pem)
    if _attributes(cert.subject) != _wanted(spec):
        return f"is for {cert.subject.rfc4514_string()}, not {_written(spec)}"
    missing = _missing_names(spec, cert)
    return f"does not name {', '.join(missing)}" if missing else None


def pair_problem(pem: bytes, key: bytes | None, *, ca: bytes | None, now: datetime) -> str | None:
    """Say why a certificate is good for nobody, whatever it says; or None."""
    if key is None or (problem := key_problem(key)):
        return "its key is missing" if key is None else f"its key {problem}"
    try:
        cert = x509.load_pem_x509_certificate(pem)
    except ValueError:
        return "is no certificate"
    if cert.public_key() != _load_key(key).public_key():
        return NOT_ITS_KEYS
    return trust_problem(pem, ca=ca, now=now)


def trust_problem(pem: bytes, *, ca: bytes | None, now: datetime) -> str | None:
    """Say why nobody who trusts a CA would take a certificate now, or None."""
    if problem := time_problem(pem, ca=ca, now=now):
        return problem
    return NOT_BY_ITS_CA if ca is not None and not is_signed_by(pem, ca) else None


def time_problem(pem: bytes, *, ca: bytes | None, now: datetime) -> str | None:
    """Say that a certificate's time is over, or has not come while its CA's has; or None.

    Where the CA's has not come either, it is the clock that is wrong.
    """
    starts, ends = valid_from(pem), valid_until(pem)
    if now > ends:
        return f"expired on {ends:%Y-%m-%d}"
    if now < starts and ca is not None and is_certificate(ca) and valid_from(ca) <= now:
        return f"is valid from {starts:%Y-%m-%d %H:%M} on"
    return None


def _missing_names(spec: CertificateSpec, cert: x509.Certificate) -> list[str]:
    try:
        names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return [*spec.dns_names, *map(str, spec.addresses)]
    dns = set(names.get_values_for_type(x509.DNSName))
    addresses = set(names.get_values_for_type(x509.IPAddress))
    return [name for name in spec.dns_names if name not in dns] + [
        str(address) for address in spec.addresses if address not in addresses
    ]


def _load_key(pem: bytes) -> _PrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise TypeError(f"unsupported private key {type(key).__name__}")
    return key


def _subject(spec: CertificateSpec) -> x509.Name:
    if len(spec.common_name) > LONGEST_COMMON_NAME:
        raise KubeceptionError(
            f"{spec.common_name}: a certificate takes names of {LONGEST_COMMON_NAME} letters",
            hint="set a shorter name in the [node] section of the configuration",
        )
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in _wanted(spec)])


def _wanted(spec: CertificateSpec) -> list[tuple[x509.ObjectIdentifier, str]]:
    """Return what a subject says, also where no certificate could: what is there is compared."""
    name = (NameOID.COMMON_NAME, spec.common_name)
    return [(NameOID.ORGANIZATION_NAME, spec.organization), name] if spec.organization else [name]


def _attributes(name: x509.Name) -> list[tuple[x509.ObjectIdentifier, str | bytes]]:
    return [(one.oid, one.value) for one in name]


def _written(spec: CertificateSpec) -> str:
    parts = [f"CN={spec.common_name}", *([f"O={spec.organization}"] if spec.organization else [])]
    return ",".join(parts)


def _alternative_names(spec: CertificateSpec) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in spec.dns_names]
    return names + [x509.IPAddress(address) for address in spec.addresses]


def _key_usage(spec: CertificateSpec) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        key_cert_sign=spec.is_ca,
        crl_sign=spec.is_ca,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _extended_usage(spec: CertificateSpec) -> x509.ExtendedKeyUsage:
    known = {
        Use.SERVER: ExtendedKeyUsageOID.SERVER_AUTH,
        Use.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH,
    }
    return x509.ExtendedKeyUsage([oid for use, oid in known.items() if use in spec.uses])
