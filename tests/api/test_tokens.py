"""Tokens as an administrator has them, in a real API."""

from datetime import timedelta

import pytest
from tests.api.rig import Rig

from kubeception.admin import tokens
from kubeception.admin.tokens import State
from kubeception.errors import KubeceptionError
from kubeception.pki.token import Claim, Role, Token
from kubeception.render import join_records
from kubeception.render.join_records import CLAIMS, RECORDS, ClaimRecord, NodeRecord
from kubeception.render.objects import CONTROL_PLANE
from kubeception.resources.object import Object
from kubeception.session import Session

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module", autouse=True)
def _namespaces(rig: Rig) -> None:
    with rig.session() as session:
        for wanted in join_records.namespaces():
            Object(wanted).apply(session)


@pytest.fixture(autouse=True)
def _empty(session: Session) -> None:
    for namespace in (RECORDS, CLAIMS):
        for found in session.api.list("ConfigMap", namespace=namespace):
            if not found["metadata"]["name"].startswith("kube-"):
                session.api.delete("ConfigMap", found["metadata"]["name"], namespace=namespace)


def made(session: Session, ttl: timedelta = HOUR, node: str | None = None) -> Token:
    return tokens.create(session, node=node, ttl=ttl)[0]


def spend(session: Session, token: Token) -> None:
    claim = Claim(token.id, "w1", ("192.0.2.21",), bytes(32), bytes(32), bytes(32))
    session.api.create(join_records.from_claim(ClaimRecord(claim, bytes(64), b"")))


def states(session: Session) -> dict[str, State]:
    return {one.record.id: one.state for one in tokens.listed(session)}


def test_what_a_token_is_good_for_is_told(session: Session) -> None:
    unused, spent, revoked, expired = (
        made(session),
        made(session),
        made(session),
        made(session, timedelta(seconds=-1)),
    )
    spend(session, spent)
    tokens.delete(session, [revoked.id])

    assert states(session) == {
        expired.id: State.EXPIRED,
        unused.id: State.UNUSED,
        spent.id: State.SPENT,
        revoked.id: State.REVOKED,
    }


def test_the_cluster_keeps_nothing_that_one_can_join_with(session: Session) -> None:
    token = made(session, node="w1")

    kept = str(session.api.list("ConfigMap", namespace=RECORDS))

    assert token.id in kept
    assert token.text().split(".")[2] not in kept


@pytest.mark.parametrize("rejoin", [False, True])
def test_there_is_none_for_a_control_plane_host(session: Session, rejoin: bool) -> None:
    """By its record, or by the label of a Node that has none."""
    record = NodeRecord("cp8", "", Role.CONTROL_PLANE, ())
    session.api.create(join_records.from_node(record))
    about = {"name": "cp9", "labels": {CONTROL_PLANE: ""}}
    session.api.create({"apiVersion": "v1", "kind": "Node", "metadata": about})

    for name in ("cp8", "cp9"):
        with pytest.raises(KubeceptionError) as caught:
            tokens.create(session, node=name, rejoin=rejoin, ttl=HOUR)
        assert str(caught.value) == f"node {name}: is a control-plane node; only workers join"
        assert caught.value.hint
    session.api.delete("Node", "cp9")
    assert states(session) == {}


def test_tokens_that_are_not_known_are_all_named_and_none_is_revoked(session: Session) -> None:
    token = made(session)

    with pytest.raises(KubeceptionError) as caught:
        tokens.delete(session, ["aaaaaaaaaa", token.id, token.text()])

    assert str(caught.value).splitlines() == [
        "token aaaaaaaaaa: there is none",
        "token (no id of a token): there is none",
    ]
    assert states(session) == {token.id: State.UNUSED}
