"""What joins leave behind goes when nobody needs it any more, a token before its claim."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kubeception import timestamp
from kubeception.controller.leftovers import (
    DECIDED_KEPT,
    KEPT,
    REMOVED_KEPT,
    UNDECIDED_KEPT,
    Found,
    Leftover,
    leftovers,
)
from kubeception.pki.request import CLIENT_SIGNER
from kubeception.pki.token import Role
from kubeception.render import join_records
from kubeception.render.join_records import CLAIMS, RECORDS, NodeRecord, TokenRecord

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SERVICE = "system:serviceaccount:kube-system:kubeception"
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
TOKEN = TokenRecord("abcdefghij", bytes(32), Role.WORKER, NOW + HOUR)
CLAIM = join_records.claim_name(TOKEN.id)
Object = dict[str, Any]


def token(**change: Any) -> Object:
    return join_records.from_token(replace(TOKEN, **change))


def claim(age: timedelta = SECOND, name: str = CLAIM) -> Object:
    return {"metadata": {"name": name, "creationTimestamp": timestamp.text(NOW - age)}}


def request(age: timedelta, by: str = SERVICE, **status: Any) -> Object:
    about = {"name": "x", "uid": "1", "creationTimestamp": timestamp.text(NOW - age)}
    return {
        "metadata": about,
        "spec": {"username": by, "signerName": CLIENT_SIGNER},
        "status": status,
    }


def going(
    *records: Object,
    claims: tuple[Object, ...] = (),
    requests: tuple[Object, ...] = (),
    learnt: frozenset[str] = frozenset(),
) -> list[Leftover]:
    found = Found(claims, records, requests)
    return list(leftovers(found, join_service=SERVICE, learnt=learnt, now=NOW))


@pytest.mark.parametrize(
    ("expires", "spent", "goes"),
    [
        (HOUR, None, False),
        (HOUR, KEPT - SECOND, False),
        (HOUR, KEPT, True),  # spent a day ago, however long it would be good
        (-KEPT + SECOND, None, False),
        (-KEPT, None, True),
        (-KEPT, SECOND, True),
        (-KEPT + SECOND, KEPT - SECOND, False),
    ],
)
def test_a_token_goes_a_day_after_it_was_spent_or_has_expired(
    expires: timedelta, spent: timedelta | None, goes: bool
) -> None:
    claims = () if spent is None else (claim(spent),)

    found = going(token(expires=NOW + expires), claims=claims)

    # Its claim never goes together with it: the token may be there for a while yet.
    expected = [Leftover("ConfigMap", join_records.token_name(TOKEN.id), RECORDS)]
    assert found == (expected if goes else [])


def test_a_claim_goes_when_its_token_is_gone() -> None:
    """So does what a join service in wrong hands makes, of tokens that there never were."""
    other = join_records.claim_name("other00000")

    assert going(claims=(claim(),)) == [Leftover("ConfigMap", CLAIM, CLAIMS)]
    found = going(token(), claims=(claim(), claim(name=other)))
    assert found == [Leftover("ConfigMap", other, CLAIMS)]


def test_a_token_that_is_on_its_way_out_or_that_nobody_can_read_keeps_its_claim() -> None:
    ending, spoiled = token(expires=NOW - 2 * KEPT), token()
    ending["metadata"]["deletionTimestamp"] = timestamp.text(NOW)
    spoiled["data"]["expires"] = "soon"

    for one in (ending, spoiled):
        assert going(one, claims=(claim(2 * KEPT),)) == []


def test_what_is_no_record_of_ours_stays() -> None:
    root = claim(2 * REMOVED_KEPT, "kube-root-ca.crt")

    assert going(root, claims=(root,)) == []


def test_a_removed_node_is_remembered_for_as_long_as_a_certificate_may_be_valid() -> None:
    def record(removed: str) -> Object:
        return join_records.from_node(NodeRecord("w1", "", Role.WORKER, (), removed=removed))

    long_ago = record(timestamp.text(NOW - REMOVED_KEPT))

    assert going(long_ago) == [Leftover("ConfigMap", "node-w1", RECORDS)]
    for one in (record(""), record(timestamp.text(NOW - REMOVED_KEPT + SECOND))):
        assert going(one) == []
    assert going(join_records.index([])) == []


SIGNED: Object = {"certificate": "eA==", "conditions": [{"type": "Approved", "status": "True"}]}
DENIED: Object = {"conditions": [{"type": "Denied", "status": "True"}]}
APPROVED: Object = {"conditions": [{"type": "Approved", "status": "True"}]}


@pytest.mark.parametrize(
    ("age", "status", "goes"),
    [
        (DECIDED_KEPT, SIGNED, True),
        (DECIDED_KEPT - SECOND, SIGNED, False),
        (DECIDED_KEPT, DENIED, True),
        (DECIDED_KEPT - SECOND, DENIED, False),
        (UNDECIDED_KEPT - SECOND, APPROVED, False),
        (UNDECIDED_KEPT, APPROVED, True),
        (UNDECIDED_KEPT - SECOND, {}, False),
        (UNDECIDED_KEPT, {}, True),
    ],
)
def test_the_join_services_requests_go_when_nobody_waits_for_them(
    age: timedelta, status: Object, goes: bool
) -> None:
    asked = request(age, **status)
    others = request(age, by="system:node:w1", **status)

    found = going(requests=(asked, others), learnt=frozenset({"1"}))

    assert found == ([Leftover("CertificateSigningRequest", "x")] if goes else [])


def test_a_signed_one_stays_until_its_certificate_is_known() -> None:
    assert going(requests=(request(KEPT, **SIGNED),)) == []
