"""A token is read as it was written, proves one claim, and never shows itself."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeception.config.model import KeyAlgorithm
from kubeception.pki import catalog, issue, token
from kubeception.pki.token import Claim, Token

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CA = issue.certificate(
    catalog.CertificateSpec("join-ca", frozenset({catalog.Use.CA})),
    issue.new_key(KeyAlgorithm.ECDSA_P256),
    signer=None,
    now=NOW,
)
MADE = token.new(ca=CA)
CLAIM = Claim(MADE.id, "w1", ("10.0.0.2",), b"server", b"nonce", b"request")


def test_it_is_read_as_it_was_written() -> None:
    assert token.parse(f"  {MADE.text()}\n") == MADE


def test_it_proves_its_claim_and_no_other() -> None:
    proof = MADE.sign(CLAIM)

    assert token.verifies(MADE.public_key, proof, CLAIM)
    others = [
        replace(CLAIM, token=token.new(ca=CA).id),
        replace(CLAIM, node="w2"),
        replace(CLAIM, addresses=("10.0.0.3",)),
        replace(CLAIM, addresses=()),
        replace(CLAIM, server=b"another"),
        replace(CLAIM, nonce=b"another"),
        replace(CLAIM, request=b"another"),
    ]
    assert not any(token.verifies(MADE.public_key, proof, other) for other in others)
    assert not token.verifies(token.new(ca=CA).public_key, proof, CLAIM)
    assert not token.verifies(b"short", proof, CLAIM)


def test_a_proof_has_one_form() -> None:
    """Another signature of the same claim could be made of one by adding the group's order to it.

    See RFC 8032, 5.1.7.
    """
    proof = MADE.sign(CLAIM)
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = int.from_bytes(proof[32:], "little")
    other = proof[:32] + (scalar + order).to_bytes(32, "little")

    assert token.verifies(MADE.public_key, proof, CLAIM)
    for one in (other, proof + b"\0", proof[:63], bytes(32) + proof[32:], b""):
        assert not token.verifies(MADE.public_key, one, CLAIM)


def test_its_seed_is_not_shown() -> None:
    assert MADE.seed.hex() not in repr(MADE)
    assert repr(MADE.seed) not in repr(MADE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "kc1",
        "kc2" + MADE.text()[3:],
        MADE.text() + ".more",
        MADE.text()[:-1],
        MADE.text() + "=",
        MADE.text().replace(MADE.id, "UPPERCASE0"),
        MADE.text().replace(MADE.id, "../../../.."),
    ],
)
def test_what_is_no_token_is_told_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match="is no token") as caught:
        token.parse(text)

    assert MADE.text().split(".")[2] not in str(caught.value)


@given(st.text())
def test_any_text_is_a_token_or_told(text: str) -> None:
    try:
        made = token.parse(text)
    except ValueError:
        return
    assert made.text() == text.strip()


@given(
    *(st.binary(min_size=32, max_size=32) for _ in range(2)),
    st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=10, max_size=10),
)
def test_every_token_survives_its_text(seed: bytes, pin: bytes, name: str) -> None:
    made = Token(name, seed, pin)

    assert token.parse(made.text()) == made
