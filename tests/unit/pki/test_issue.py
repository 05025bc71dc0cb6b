"""Certificates are what they should be by a verifier's word, and what is wrong with one is said."""

import functools
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.fixed import CONFIG, HOST, NOW

from kubeception.config.model import KeyAlgorithm
from kubeception.layout import Pair
from kubeception.pki import catalog, issue
from kubeception.pki.catalog import CertificateSpec, Entry, Use
from kubeception.pki.issue import Signer

TABLE = {
    entry.at.certificate.stem if entry.issuer else str(entry.at.certificate): entry
    for entry in catalog.entries(CONFIG, HOST.node, HOST.address)
}
LEAVES = [entry for entry in TABLE.values() if entry.issuer]
YEAR = timedelta(days=365)

each_leaf = pytest.mark.parametrize("entry", LEAVES, ids=lambda entry: entry.at.certificate.stem)


@functools.cache
def made(at: Pair) -> Signer:
    """Return the certificate and key of one row, made with all that it hangs on."""
    entry = next(entry for entry in TABLE.values() if entry.at == at)
    key = issue.new_key(KeyAlgorithm.ECDSA_P256)
    signer = made(entry.issuer) if entry.issuer else None
    return Signer(issue.certificate(entry.spec, key, signer=signer, now=NOW), key)


def parsed(at: Pair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(made(at).certificate)


def verifier(ca: x509.Certificate, now: datetime) -> verification.PolicyBuilder:
    """Return the checks of RFC 5280 for a leaf; the names are looked at by the one who asks."""
    return (
        verification.PolicyBuilder()
        .store(verification.Store([ca]))
        .time(now.replace(tzinfo=None))
        .extension_policies(
            ca_policy=verification.ExtensionPolicy.webpki_defaults_ca(),
            ee_policy=verification.ExtensionPolicy.permit_all(),
        )
    )


@each_leaf
@pytest.mark.parametrize("now", [NOW - timedelta(minutes=4), NOW, NOW + YEAR - timedelta(hours=1)])
def test_a_leaf_verifies_against_its_own_ca(entry: Entry, now: datetime) -> None:
    assert entry.issuer

    found = verifier(parsed(entry.issuer), now).build_client_verifier()
    assert found.verify(parsed(entry.at), []).chain == [parsed(entry.at), parsed(entry.issuer)]


@each_leaf
@pytest.mark.parametrize("now", [NOW - timedelta(minutes=6), NOW + YEAR + timedelta(minutes=1)])
def test_a_leaf_does_not_verify_outside_its_year(entry: Entry, now: datetime) -> None:
    assert entry.issuer

    with pytest.raises(verification.VerificationError):
        verifier(parsed(entry.issuer), now).build_client_verifier().verify(parsed(entry.at), [])


@each_leaf
def test_a_leaf_does_not_verify_against_another_ca(entry: Entry) -> None:
    others = [row.at for row in TABLE.values() if row.spec.is_ca and row.at != entry.issuer]

    for other in others:
        with pytest.raises(verification.VerificationError):
            verifier(parsed(other), NOW).build_client_verifier().verify(parsed(entry.at), [])


@pytest.mark.parametrize("name", ["apiserver", "server", "peer", "kubelet-server", "join"])
def test_a_server_is_verified_as_the_web_does_by_each_of_its_names(name: str) -> None:
    entry = TABLE[name]
    assert entry.issuer
    rules = verification.PolicyBuilder().store(verification.Store([parsed(entry.issuer)]))
    rules = rules.time(NOW.replace(tzinfo=None))

    asked: list[x509.DNSName | x509.IPAddress] = [x509.DNSName(it) for it in entry.spec.dns_names]
    asked += [x509.IPAddress(ip_address(it)) for it in entry.spec.addresses]
    for subject in asked:
        assert rules.build_server_verifier(subject).verify(parsed(entry.at), [])
    with pytest.raises(verification.VerificationError):
        rules.build_server_verifier(x509.DNSName("other.test")).verify(parsed(entry.at), [])


@each_leaf
def test_a_leaf_says_who_it_is_and_what_it_is_for(entry: Entry) -> None:
    assert entry.issuer
    cert, ca = parsed(entry.at), parsed(entry.issuer)

    wanted = {NameOID.COMMON_NAME: entry.spec.common_name}
    if entry.spec.organization:
        wanted[NameOID.ORGANIZATION_NAME] = entry.spec.organization
    assert {part.oid: part.value for part in cert.subject} == wanted
    uses = set(cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    assert uses == {
        {Use.SERVER: ExtendedKeyUsageOID.SERVER_AUTH, Use.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH}[
            use
        ]
        for use in entry.spec.uses
    }
    usage = cert.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature and not usage.key_cert_sign
    assert not cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert _identifier(cert) != _identifier(ca) == _authority(cert)


@pytest.mark.parametrize("entry", [row for row in TABLE.values() if row.spec.is_ca])
def test_a_ca_may_sign_and_nothing_else(entry: Entry) -> None:
    cert = parsed(entry.at)

    assert cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert cert.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert _identifier(cert) == _authority(cert)
    with pytest.raises(x509.ExtensionNotFound):
        cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage)


def _identifier(cert: x509.Certificate) -> bytes:
    return cert.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


def _authority(cert: x509.Certificate) -> bytes | None:
    return cert.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier


def test_validity_starts_five_minutes_ago() -> None:
    cert = parsed(CONFIG.layout.pki.admin)

    assert cert.not_valid_before_utc == NOW - timedelta(minutes=5)
    assert cert.not_valid_after_utc == NOW + YEAR


def test_serial_numbers_never_repeat() -> None:
    assert len({parsed(entry.at).serial_number for entry in TABLE.values()}) == len(TABLE)


def test_keys_are_of_the_algorithm_asked_for() -> None:
    kinds = {
        KeyAlgorithm.ECDSA_P256: ec.EllipticCurvePrivateKey,
        KeyAlgorithm.RSA_2048: rsa.RSAPrivateKey,
    }
    for algorithm, kind in kinds.items():
        key = issue.new_key(algorithm)
        assert isinstance(serialization.load_pem_private_key(key, None), kind)
        assert issue.key_problem(key) is None
        assert b"BEGIN PUBLIC KEY" in issue.public_key(key)


def test_what_is_no_private_key_is_called_so() -> None:
    foreign = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )

    for bad in (b"", b"junk", made(CONFIG.layout.pki.ca).certificate, foreign):
        assert issue.key_problem(bad) == "is no private key"


APISERVER = TABLE["apiserver"]
SPEC = APISERVER.spec
PROBLEMS: dict[str, tuple[Callable[[], CertificateSpec], str | None]] = {
    "good": (lambda: SPEC, None),
    "other subject": (
        lambda: replace(SPEC, common_name="somebody"),
        "is for CN=kube-apiserver, not CN=somebody",
    ),
    "missing name": (
        lambda: replace(SPEC, dns_names=(*SPEC.dns_names, "api.example.com")),
        "does not name api.example.com",
    ),
    "missing address": (
        lambda: replace(
            SPEC, addresses=(*SPEC.addresses, *map(ip_address, ("198.51.100.7", "fd00::1")))
        ),
        "does not name 198.51.100.7, fd00::1",
    ),
    "more names than wanted": (lambda: replace(SPEC, dns_names=("cp1",)), None),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_certificate_that_does_not_say_what_is_wanted(name: str) -> None:
    spec, problem = PROBLEMS[name]
    pair, ca = made(APISERVER.at), made(CONFIG.layout.pki.ca).certificate

    found = issue.certificate_problem(spec(), pair.certificate, pair.key, ca=ca, now=NOW)
    assert found == problem


def test_a_certificate_without_any_name_lacks_them_all() -> None:
    pair, ca = made(TABLE["admin"].at), made(CONFIG.layout.pki.ca).certificate
    spec = replace(TABLE["admin"].spec, dns_names=("cp1",), addresses=(ip_address("192.0.2.10"),))

    found = issue.certificate_problem(spec, pair.certificate, pair.key, ca=ca, now=NOW)
    assert found == "does not name cp1, 192.0.2.10"


def test_a_certificate_that_its_time_key_or_ca_betrays() -> None:
    pair, other = made(APISERVER.at), made(TABLE["admin"].at)
    ca, other_ca = (
        made(at).certificate for at in (CONFIG.layout.pki.ca, CONFIG.layout.pki.etcd_ca)
    )

    def problem(
        certificate: bytes = pair.certificate,
        key: bytes = pair.key,
        ca: bytes = ca,
        now: datetime = NOW,
    ) -> str | None:
        return issue.certificate_problem(SPEC, certificate, key, ca=ca, now=now)

    assert problem() is None
    assert problem(certificate=b"junk") == "is no certificate"
    assert problem(key=other.key) == "does not belong to its key"
    assert problem(now=NOW + YEAR + timedelta(seconds=1)) == "expired on 2027-03-01"
    assert problem(ca=other_ca) == "is not signed by its CA"
    assert problem(ca=b"junk") == "is not signed by its CA"


def test_a_ca_of_the_same_name_with_another_key_is_another_ca() -> None:
    ca = TABLE[str(CONFIG.layout.pki.ca.certificate)]
    key = issue.new_key(KeyAlgorithm.ECDSA_P256)
    twin = issue.certificate(ca.spec, key, signer=None, now=NOW)
    pair = made(APISERVER.at)

    found = issue.certificate_problem(SPEC, pair.certificate, pair.key, ca=twin, now=NOW)
    assert found == "is not signed by its CA"


def test_an_rsa_ca_signs_for_an_ecdsa_leaf() -> None:
    """A CA that was brought along may be of another kind than new keys are."""
    ca = TABLE[str(CONFIG.layout.pki.ca.certificate)]
    ca_key, key = issue.new_key(KeyAlgorithm.RSA_2048), issue.new_key(KeyAlgorithm.ECDSA_P256)
    root = issue.certificate(ca.spec, ca_key, signer=None, now=NOW)

    leaf = issue.certificate(SPEC, key, signer=Signer(root, ca_key), now=NOW)
    assert issue.certificate_problem(SPEC, leaf, key, ca=root, now=NOW) is None


def test_a_file_of_both_is_taken_apart() -> None:
    """A kubelet writes its key as SEC 1, and other tools as PKCS#8."""
    pem = made(LEAVES[0].at)
    key = serialization.load_pem_private_key(pem.key, None)
    old = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )

    for written in (pem.key, old):
        assert issue.halves(pem.certificate + written) == (pem.certificate, written)
        assert issue.halves(written + pem.certificate) == (pem.certificate, written)
    assert issue.halves(pem.certificate) == (pem.certificate, None)


def test_the_issuer_is_told_by_its_name() -> None:
    assert {issue.issuer(made(entry.at).certificate) for entry in TABLE.values()} == {
        "kubernetes",
        "front-proxy-ca",
        "etcd-ca",
        "kubeception-join-ca",
        "kubelet-serving-ca",
    }


def test_a_pair_is_judged_whatever_it_says() -> None:
    one, other = (made(entry.at) for entry in LEAVES[:2])
    ca = made(CONFIG.layout.pki.ca).certificate
    wrong_ca = made(CONFIG.layout.pki.join_ca).certificate

    def said(certificate: bytes, ca: bytes, now: datetime = NOW) -> str | None:
        return issue.pair_problem(certificate, one.key, ca=ca, now=now)

    assert said(one.certificate, ca) is None
    assert said(b"junk", ca) == "is no certificate"
    assert said(other.certificate, ca) == "does not belong to its key"
    assert said(one.certificate, wrong_ca) == issue.NOT_BY_ITS_CA
    assert said(one.certificate, ca, NOW + YEAR * 2) == f"expired on {NOW + YEAR:%Y-%m-%d}"
