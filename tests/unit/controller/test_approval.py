"""Which certificate requests are approved, and what becomes of those that a thief might make."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, ip_address, ip_network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from kubeception import timestamp
from kubeception.config.model import KeyAlgorithm
from kubeception.config.names import Reserved
from kubeception.controller import approval
from kubeception.controller.approval import (
    Approved,
    Asked,
    Decision,
    Denied,
    Held,
    Issued,
    Known,
    MadeClaim,
    Reason,
    with_issued,
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
    uid="first",
    signer=request.CLIENT_SIGNER,
    user=SERVICE,
    groups=("system:serviceaccounts", "system:authenticated"),
    usages=frozenset({"digital signature", "client auth"}),
    request=PEM,
)
CP1 = NodeRecord("cp1", "", Role.CONTROL_PLANE, (ip_address("10.0.0.1"),))
KNOWN = Known(
    join_service=SERVICE,
    reserved=Reserved("cluster.local", ("api.example.org", "*.apps.example.org", "10.0.0.7")),
    tokens={TOKEN.id: RECORD},
    claims={TOKEN.id: MADE},
    records={"cp1": CP1},
    nodes=frozenset({"cp1"}),
    networks=(IPv4Network("10.96.0.0/12"),),
)
W1 = NodeRecord("w1", TOKEN.id, Role.WORKER, (ip_address("10.0.0.2"),), pending="first")


def judge(asked: Asked, known: Known) -> Decision:
    return approval.judge(asked, known, NOW)


def knowing(*, claim: Claim = CLAIM, by: Token = TOKEN, **more: object) -> Known:
    """What is known where a host has made this claim, and proven it by this token."""
    made = MadeClaim(ClaimRecord(claim, by.sign(claim), PEM), NOW)
    return replace(KNOWN, claims={claim.token: made}, **more)  # type: ignore[arg-type]


def with_token(**change: object) -> Known:
    return replace(KNOWN, tokens={TOKEN.id: replace(RECORD, **change)})  # type: ignore[arg-type]


def test_a_host_that_has_proven_its_token_is_approved_and_recorded() -> None:
    assert judge(ASKED, KNOWN) == Approved(W1)


def test_so_is_the_same_host_again() -> None:
    again = replace(KNOWN, records={**KNOWN.records, "w1": W1}, nodes=frozenset({"w1"}))

    assert judge(ASKED, again) == Approved(W1)


def test_a_lost_host_comes_back_by_a_token_for_its_name() -> None:
    known = replace(
        with_token(node="w1", rejoin=True),
        records={"w1": replace(W1, token="0" * 10)},
        nodes=frozenset({"w1"}),
    )

    assert judge(ASKED, known) == Approved(W1)


OTHERS = request.new(issue.new_key(KeyAlgorithm.ECDSA_P256), "w1")
ANOTHER = Token("0000000000", b"\5" * 32, b"\2" * 32)


def named(node: str) -> tuple[Asked, Known]:
    """Return what a host asks for that has proven a name of its liking."""
    pem = request.new(issue.new_key(KeyAlgorithm.ECDSA_P256), node)
    claim = replace(CLAIM, node=node, request=request.digest(pem))
    return replace(ASKED, request=pem), knowing(claim=claim)


THE_APIS = (
    *("localhost", "a.localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"),
    *("svc", "cluster.local", "kubernetes.default.svc.cluster.local", "w1.cluster.local"),
    *("api.example.org", "one.apps.example.org"),
)
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
    "a node's name": (ASKED, replace(KNOWN, nodes=frozenset({"w1"})), Reason.NAME_TAKEN),
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
        replace(with_token(rejoin=True), nodes=frozenset({"w1"})),
        Reason.NAME_TAKEN,
    ),
    "a Service's address outside": (
        ASKED,
        replace(KNOWN, services=frozenset({ip_address("10.0.0.2")})),
        Reason.ADDRESS_TAKEN,
    ),
    "the API's address": (
        ASKED,
        knowing(claim=replace(CLAIM, addresses=("10.0.0.7",))),
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
        for node in ("W1", "w1/x", "../w1", "w1\n", "-w1", *THE_APIS)
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
        Reason.REMOVED,
    ),
}


@pytest.mark.parametrize(("asked", "known", "reason"), BAD.values(), ids=BAD.keys())
def test_everything_else_is_denied(asked: Asked, known: Known, reason: Reason) -> None:
    verdict = judge(asked, known)

    assert isinstance(verdict, Denied)
    assert verdict.reason is reason
    assert TOKEN.seed.hex() not in verdict.message


@pytest.mark.parametrize(
    ("change", "whose"),
    [
        ({"records": {"w2": replace(W1, node="w2")}}, "node w2's"),
        ({"services": frozenset({ip_address("10.0.0.2")})}, "a Service's"),
        ({"reserved": Reserved("cluster.local", ("10.0.0.2",))}, "the API's"),
        (
            {"networks": (ip_network("10.0.0.0/24"),)},
            "in a range of the cluster's",
        ),
    ],
)
def test_a_host_is_told_whose_the_address_is_that_it_has(
    change: dict[str, object], whose: str
) -> None:
    known = replace(KNOWN, **change)  # type: ignore[arg-type]

    assert judge(ASKED, known) == Denied(Reason.ADDRESS_TAKEN, f"address 10.0.0.2 is {whose}")


def test_who_may_claim_any_address_does_not_learn_by_it_how_nodes_are_called() -> None:
    verdict = judge(
        ASKED, replace(with_token(any_source=True), records={"w2": replace(W1, node="w2")})
    )

    assert verdict == Denied(Reason.ADDRESS_TAKEN, "address 10.0.0.2 is another node's")


RENEWAL = replace(
    ASKED,
    name="csr-1",
    uid="second",
    user="system:node:w1",
    groups=("system:nodes",),
    credential="X509SHA256=1",
)


def renewing(**record: object) -> Known:
    """What is known where w1's record says so."""
    known = replace(W1, pending="", **record)  # type: ignore[arg-type]
    return replace(KNOWN, records={**KNOWN.records, "w1": known})


def test_a_kubelet_renews_with_the_certificate_that_it_has() -> None:
    known = renewing(credentials=("X509SHA256=0", "X509SHA256=1"))
    verdict = judge(RENEWAL, known)

    assert verdict == Approved(replace(known.records["w1"], pending="second"))


def test_and_with_one_that_was_approved_and_never_seen() -> None:
    """The controller was down while it was signed, and for longer than requests are kept."""
    for pending in ("first", join_records.ANY):
        known = renewing(credentials=("X509SHA256=0",))
        known = replace(known, records={"w1": replace(known.records["w1"], pending=pending)})

        verdict = judge(RENEWAL, known)

        assert isinstance(verdict, Approved) and verdict.record
        assert verdict.record.credentials == ("X509SHA256=0", "X509SHA256=1")
        assert verdict.record.pending == "second"


def test_an_unknown_one_is_held() -> None:
    assert isinstance(judge(RENEWAL, renewing(credentials=("X509SHA256=0",))), Held)
    nameless = replace(RENEWAL, credential="")
    assert isinstance(judge(nameless, renewing(credentials=("X509SHA256=0",))), Held)


def test_what_was_removed_or_taken_over_renews_nothing_and_serves_nothing() -> None:
    serves = replace(serving(*OWN), credential=RENEWAL.credential)
    taken = renewing(credentials=("X509SHA256=2",), revoked=("X509SHA256=1",))
    pending = replace(taken, records={"w1": replace(taken.records["w1"], pending="any")})
    for asked in (RENEWAL, serves):
        for known, reason in (
            (KNOWN, Reason.REMOVED),
            (taken, Reason.REVOKED),
            (pending, Reason.REVOKED),
        ):
            verdict = judge(asked, known)
            assert isinstance(verdict, Denied) and verdict.reason is reason


def test_a_control_planes_kubelet_renews() -> None:
    pem = request.new(issue.new_key(KeyAlgorithm.ECDSA_P256), "cp1")
    asked = replace(RENEWAL, user="system:node:cp1", request=pem)

    assert judge(asked, KNOWN) == Approved()
    assert isinstance(judge(replace(asked, request=PEM), KNOWN), Denied)


def test_whoever_takes_a_name_over_voids_all_that_was_given_to_it() -> None:
    before = replace(W1, token="0" * 10, credentials=("X509SHA256=1",), revoked=("X509SHA256=0",))
    known = replace(
        with_token(node="w1", rejoin=True),
        records={"w1": before},
        issued={"w1": frozenset({"X509SHA256=2"})},
        ready=frozenset({"w1"}),
    )
    verdict = judge(ASKED, known)

    assert isinstance(verdict, Approved) and verdict.record
    assert verdict.record.revoked == ("X509SHA256=0", "X509SHA256=1", "X509SHA256=2")
    assert verdict.record.credentials == ()
    assert verdict.record.taken_over == timestamp.text(NOW)


def test_a_removed_nodes_certificates_are_void_for_whoever_has_its_name_next() -> None:
    removed = replace(W1, token="0" * 10, addresses=(), revoked=("X509SHA256=1",), removed="then")
    verdict = judge(ASKED, replace(KNOWN, removed={"w1": removed}))

    assert verdict == Approved(replace(W1, revoked=("X509SHA256=1",)))


def test_a_certificate_that_was_signed_is_known_from_then_on() -> None:
    record = replace(W1, credentials=("X509SHA256=0",), revoked=("X509SHA256=9",))
    signed = Issued("first", "w1", "X509SHA256=1")

    learnt = with_issued(record, signed)

    assert learnt == replace(record, credentials=("X509SHA256=0", "X509SHA256=1"), pending="")
    assert with_issued(learnt, signed) == learnt
    # One that is signed meanwhile for an earlier request leaves the later one pending.
    earlier = replace(signed, request="earlier")
    assert with_issued(replace(record, pending="later"), earlier).pending == "later"
    assert with_issued(record, replace(signed, credential="X509SHA256=9")) == record


def test_of_many_generations_the_newest_are_known() -> None:
    record = W1
    for number in range(20):
        record = with_issued(record, Issued("", "w1", f"X509SHA256={number}"))

    assert record.credentials[-1] == "X509SHA256=19"
    assert len(record.credentials) < 10


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
        uid="serving",
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
