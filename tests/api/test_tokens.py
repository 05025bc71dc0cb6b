"""Tokens as an administrator has them, in a real API."""

from datetime import timedelta

import pytest
from tests.api.rig import Rig

from kubeception import tokens
from kubeception.errors import KubeceptionError
from kubeception.pki.token import Claim, Token
from kubeception.reach import Reach
from kubeception.render import join_records
from kubeception.render.join_records import CLAIMS, RECORDS, ClaimRecord
from kubeception.resources.object import Object
from kubeception.tokens import KEPT, State

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module", autouse=True)
def _namespaces(rig: Rig) -> None:
    with rig.reach() as reach:
        for wanted in join_records.namespaces():
            Object(wanted).apply(reach)


@pytest.fixture(autouse=True)
def _empty(reach: Reach) -> None:
    for namespace in (RECORDS, CLAIMS):
        for found in reach.api.list("ConfigMap", namespace=namespace):
            if not found["metadata"]["name"].startswith("kube-"):
                reach.api.delete("ConfigMap", found["metadata"]["name"], namespace=namespace)


def made(reach: Reach, ttl: timedelta = HOUR, node: str | None = None) -> Token:
    return tokens.create(reach, node=node, rejoin=False, ttl=ttl)[0]


def spend(reach: Reach, token: Token) -> None:
    claim = Claim(token.id, "w1", ("192.0.2.21",), bytes(32), bytes(32), bytes(32))
    reach.api.create(join_records.from_claim(ClaimRecord(claim, bytes(64), b"")))


def states(reach: Reach) -> dict[str, State]:
    return {one.record.id: one.state for one in tokens.listed(reach)}


def test_what_a_token_is_good_for_is_told(reach: Reach) -> None:
    unused, spent, revoked, expired = (
        made(reach),
        made(reach),
        made(reach),
        made(reach, timedelta(seconds=-1)),
    )
    spend(reach, spent)
    tokens.delete(reach, [revoked.id])

    assert states(reach) == {
        expired.id: State.EXPIRED,
        unused.id: State.UNUSED,
        spent.id: State.SPENT,
        revoked.id: State.REVOKED,
    }


def test_the_cluster_keeps_nothing_that_one_can_join_with(reach: Reach) -> None:
    token = made(reach, node="w1")

    kept = str(reach.api.list("ConfigMap", namespace=RECORDS))

    assert token.id in kept
    assert token.text().split(".")[2] not in kept


def test_tokens_that_are_not_known_are_all_named_and_none_is_revoked(reach: Reach) -> None:
    token = made(reach)

    with pytest.raises(KubeceptionError) as caught:
        tokens.delete(reach, ["aaaaaaaaaa", token.id, token.text()])

    assert str(caught.value).splitlines() == [
        "token aaaaaaaaaa: there is none",
        "token (no id of a token): there is none",
    ]
    assert states(reach) == {token.id: State.UNUSED}


def test_what_expired_long_ago_is_removed_by_the_next_one(reach: Reach) -> None:
    old = made(reach, -KEPT)
    spend(reach, old)
    recent = made(reach, -KEPT + HOUR)

    token = made(reach)

    assert set(states(reach)) == {recent.id, token.id}
    name = join_records.claim_name(old.id)
    assert reach.api.get("ConfigMap", name, namespace=CLAIMS) is None
