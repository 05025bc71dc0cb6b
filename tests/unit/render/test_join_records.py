"""What is remembered of joins is read as it was written."""

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pytest

from kubeception.pki.token import Claim, Role
from kubeception.render import join_records
from kubeception.render.join_records import ClaimRecord, NodeRecord, TokenRecord

EXPIRES = datetime(2026, 3, 1, 13, tzinfo=UTC)
TOKEN = TokenRecord("abcdefghij", b"\0" * 32, Role.WORKER, EXPIRES, node="w1", rejoin=True)
CLAIM = ClaimRecord(
    Claim("abcdefghij", "w1", ("10.0.0.2", "fd00::2"), b"\1" * 32, b"\2" * 32, b"\3" * 32),
    b"\4" * 64,
    b"-----BEGIN CERTIFICATE REQUEST-----\n",
    source="10.0.0.2",
)
NODE = NodeRecord("w1", "abcdefghij", Role.WORKER, (ip_address("10.0.0.2"),))


def test_they_are_read_as_they_were_written() -> None:
    assert join_records.to_token(join_records.from_token(TOKEN)) == TOKEN
    assert join_records.to_claim(join_records.from_claim(CLAIM)) == CLAIM
    assert join_records.to_node(join_records.from_node(NODE)) == NODE


def test_what_an_earlier_version_wrote_says_nothing_of_sources() -> None:
    token = join_records.from_token(replace(TOKEN, any_source=True))
    assert join_records.to_token(token).any_source
    claim = join_records.from_claim(CLAIM)
    del token["data"]["anySource"], claim["data"]["source"]

    assert not join_records.to_token(token).any_source
    assert join_records.to_claim(claim) == replace(CLAIM, source="")


def test_a_claim_is_made_once_and_never_changed() -> None:
    assert join_records.from_claim(CLAIM)["immutable"] is True


@pytest.mark.parametrize(
    "data", [None, {}, {"id": "abcdefghij"}, {**join_records.from_token(TOKEN)["data"], "role": ""}]
)
def test_what_is_no_record_is_told(data: dict[str, Any] | None) -> None:
    found = {"metadata": {"name": "token-x"}, "data": data}

    with pytest.raises(ValueError, match="token-x"):
        join_records.to_token(found)
