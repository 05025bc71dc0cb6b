"""Which certificate requests are approved, and what becomes of those that a thief might make."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from kubeception.config.model import KeyAlgorithm
from kubeception.controller.approval import (
    Approved,
    Asked,
    Denied,
    Known,
    MadeClaim,
    Reason,
    judge,
)
from kubeception.pki import issue, request
from kubeception.pki.token import Claim, Role, Token
from kubeception.render import join_records
from kubeception.render.join_records import ClaimRecord, NodeRecord, TokenRecord

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SERVICE = "system:serviceaccount:kube-system:kubeception"
TOKEN = Token("abcdefghij", b"\1" * 32, b"\2" * 32)
RECORD = TokenRecord(TOKEN.id, TOKEN.public_key, Role.WORKER, NOW + timedelta(hours=1))
PEM = request.new(issue.new_key(KeyAlgorithm.ECDSA_P256), "w1")
CLAIM = Claim(TOKEN.id, "w1", ("10.0.0.2",), b"\3" * 32, b"\4" * 32, request.digest(PEM))
MADE = MadeClaim(ClaimRecord(CLAIM, TOKEN.sign(CLAIM), PEM), NOW)
ASKED = Asked(
    name=join_records.request_name(TOKEN.id),
    signer=request.CLIENT_SIGNER,
    user=SERVICE,
    groups=("system:serviceaccounts", "system:authenticated"),
    usages=frozenset({"digital signature", "client auth"}),
    request=PEM,
)
CP1 = NodeRecord("cp1", "", Role.CONTROL_PLANE, ("10.0.0.1",))
KNOWN = Known(
    join_service=SERVICE,
    tokens={TOKEN.id: RECORD},
    claims={TOKEN.id: MADE},
    records={"cp1": CP1},
    nodes={"cp1": ("10.0.0.1",)},
    networks=(IPv4Network("10.96.0.0/12"),),
)
W1 = NodeRecord("w1", TOKEN.id, Role.WORKER, ("10.0.0.2",))


def knowing(*, claim: Claim = CLAIM, by: Token = TOKEN, **more: object) -> Known:
    """What is known where a host has made this claim, and proven it by this token."""
    made = MadeClaim(ClaimRecord(claim, by.sign(claim), PEM), NOW)
    return replace(KNOWN, claims={claim.token: made}, **more)  # type: ignore[arg-type]


def with_token(**change: object) -> Known:
    return replace(KNOWN, tokens={TOKEN.id: replace(RECORD, **change)})  # type: ignore[arg-type]


def test_a_host_that_has_proven_its_token_is_approved_and_recorded() -> None:
    assert judge(ASKED, KNOWN) == Approved(W1)


def test_so_is_the_same_host_again() -> None:
    again = replace(KNOWN, records={**KNOWN.records, "w1": W1}, nodes={"w1": ("10.0.0.2",)})

    assert judge(ASKED, again) == Approved(W1)


def test_a_lost_host_comes_back_by_a_token_for_its_name() -> None:
    known = replace(
        with_token(node="w1", rejoin=True),
        records={"w1": replace(W1, token="0" * 10)},
        nodes={"w1": ("10.0.0.2",)},
    )

    assert judge(ASKED, known) == Approved(W1)


OTHERS = request.new(issue.new_key(KeyAlgorithm.ECDSA_P256), "w1")
ANOTHER = Token("0000000000", b"\5" * 32, b"\2" * 32)


def named(node: str) -> tuple[Asked, Known]:
    """Return what a host asks for that has proven a name of its liking."""
    pem = request.new(issue.new_key(KeyAlgorithm.ECDSA_P256), node)
    claim = replace(CLAIM, node=node, request=request.digest(pem))
    return replace(ASKED, request=pem), knowing(claim=claim)


BAD: dict[str, tuple[Asked, Known, Reason]] = {
    "no claim": (ASKED, replace(KNOWN, claims={}), Reason.NOT_PROVEN),
    "no token": (ASKED, replace(KNOWN, tokens={}), Reason.NOT_PROVEN),
    "another's name": (replace(ASKED, name="csr-x"), KNOWN, Reason.NOT_PROVEN),
    "a proof by another token": (ASKED, knowing(by=ANOTHER), Reason.NOT_PROVEN),
    "a request that was not proven": (replace(ASKED, request=OTHERS), KNOWN, Reason.NOT_PROVEN),
    "a claim changed afterwards": (
        ASKED,
        replace(
            KNOWN,
            claims={
                TOKEN.id: MadeClaim(
                    replace(MADE.record, claim=replace(CLAIM, addresses=("10.0.0.9",))), NOW
                )
            },
        ),
        Reason.NOT_PROVEN,
    ),
    "expired": (ASKED, with_token(expires=NOW), Reason.TOKEN_EXPIRED),
    "revoked": (ASKED, with_token(revoked=True), Reason.TOKEN_REVOKED),
    "for a control plane": (ASKED, with_token(role=Role.CONTROL_PLANE), Reason.NOT_PROVEN),
    "for another name": (ASKED, with_token(node="w2"), Reason.WRONG_NAME),
    "a node's name": (ASKED, replace(KNOWN, nodes={"w1": ()}), Reason.NAME_TAKEN),
    "a recorded name": (
        ASKED,
        replace(KNOWN, records={"w1": replace(W1, token="0" * 10)}),
        Reason.NAME_TAKEN,
    ),
    "a control plane's name, even to rejoin": (
        ASKED,
        replace(
            with_token(node="w1", rejoin=True),
            records={"w1": replace(W1, role=Role.CONTROL_PLANE)},
        ),
        Reason.NAME_TAKEN,
    ),
    "rejoin of another": (
        ASKED,
        replace(with_token(rejoin=True), nodes={"w1": ()}),
        Reason.NAME_TAKEN,
    ),
    "a node's address": (
        ASKED,
        replace(KNOWN, nodes={"w2": ("10.0.0.2",)}),
        Reason.ADDRESS_TAKEN,
    ),
    "a recorded address": (
        ASKED,
        replace(KNOWN, records={"w2": replace(W1, node="w2")}),
        Reason.ADDRESS_TAKEN,
    ),
    "a Service's address": (
        ASKED,
        knowing(claim=replace(CLAIM, addresses=("10.96.0.1",))),
        Reason.ADDRESS_TAKEN,
    ),
    **{
        f"the addresses {addresses}": (
            ASKED,
            knowing(claim=replace(CLAIM, addresses=addresses)),
            Reason.BAD_REQUEST,
        )
        for addresses in (
            (),
            ("10.0.0.2", "10.0.0.2"),
            tuple(f"10.0.0.{n}" for n in range(2, 7)),
            ("w1",),
            ("",),
            ("127.0.0.1",),
            ("169.254.169.254",),
            ("0.0.0.0",),
            ("224.0.0.1",),
            ("fe80::1%eth0",),
            ("FD00::1",),
            # The control plane's, and a Service's: the same bytes in a certificate.
            ("::ffff:10.0.0.1",),
            ("::ffff:a60:1",),
        )
    },
    **{
        f"the name {node!r}": (*named(node), Reason.WRONG_NAME)
        for node in ("W1", "w1/x", "../w1", "w1\n", "-w1")
    },
    "other usages": (
        replace(ASKED, usages=ASKED.usages | {"server auth"}),
        KNOWN,
        Reason.BAD_REQUEST,
    ),
    "for ever": (replace(ASKED, expiration_s=10**9), KNOWN, Reason.BAD_REQUEST),
    "by a stranger": (replace(ASKED, user="mallory"), KNOWN, Reason.NOT_PROVEN),
    "by an administrator": (
        replace(ASKED, user="kubernetes-admin", groups=("kubeadm:cluster-admins",)),
        KNOWN,
        Reason.NOT_PROVEN,
    ),
    "by another node": (
        replace(ASKED, user="system:node:w2", groups=("system:nodes",)),
        KNOWN,
        Reason.NOT_PROVEN,
    ),
}


@pytest.mark.parametrize(("asked", "known", "reason"), BAD.values(), ids=BAD.keys())
def test_everything_else_is_denied(asked: Asked, known: Known, reason: Reason) -> None:
    verdict = judge(asked, known)

    assert isinstance(verdict, Denied)
    assert verdict.reason is reason
    assert TOKEN.seed.hex() not in verdict.message


def test_what_a_kubelet_renews_is_kubernetes_own() -> None:
    renewal = replace(ASKED, name="csr-1", user="system:node:w1", groups=("system:nodes",))

    assert judge(renewal, KNOWN) is None
    assert isinstance(judge(replace(renewal, groups=()), KNOWN), Denied)


def test_other_signers_are_not_ours() -> None:
    assert judge(replace(ASKED, signer="kubernetes.io/kube-apiserver-client"), KNOWN) is None


def serving(*names: x509.GeneralName, node: str = "w1") -> Asked:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}"),
        ]
    )
    made = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    return Asked(
        name="csr-2",
        signer=request.SERVING_SIGNER,
        user=f"system:node:{node}",
        groups=("system:nodes", "system:authenticated"),
        usages=frozenset({"digital signature", "server auth"}),
        request=made.public_bytes(Encoding.PEM),
    )


OWN = (x509.DNSName("w1"), x509.IPAddress(ip_address("10.0.0.2")))
JOINED = replace(KNOWN, records={**KNOWN.records, "w1": W1})


def test_a_kubelet_serves_by_the_name_and_addresses_that_it_joined_with() -> None:
    assert judge(serving(*OWN), JOINED) == Approved()


@pytest.mark.parametrize(
    "asked",
    [
        serving(*OWN, x509.DNSName("kubernetes")),
        serving(*OWN, x509.IPAddress(ip_address("10.0.0.1"))),
        serving(*OWN, node="w2"),
        replace(serving(*OWN), user="system:node:w2"),
        replace(serving(*OWN), user="mallory"),
        replace(serving(*OWN), groups=("system:authenticated",)),
        replace(serving(*OWN), usages=frozenset({"digital signature", "client auth"})),
    ],
)
def test_and_by_no_other(asked: Asked) -> None:
    assert isinstance(judge(asked, JOINED), Denied)
