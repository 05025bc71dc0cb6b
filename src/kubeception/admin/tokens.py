"""Join tokens as an administrator has them: made, listed, and taken back.

The token itself is told once, by whoever makes it; what the cluster keeps cannot be joined with.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from kubeception.admin import nodes
from kubeception.errors import KubeceptionError
from kubeception.pki import token as tokens
from kubeception.pki.token import Role, Token
from kubeception.render import join_records
from kubeception.render.join_records import CLAIMS, RECORDS, TokenRecord
from kubeception.session import Session

log = logging.getLogger(__name__)


class State(StrEnum):
    """What a token is good for: nothing, unless it is unused."""

    UNUSED = "unused"
    SPENT = "spent"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True)
class TokenStatus:
    """A token that the cluster knows, and its state."""

    record: TokenRecord
    state: State


def create(
    session: Session,
    *,
    node: str | None,
    ttl: timedelta,
    rejoin: bool = False,
    any_source: bool = False,
) -> tuple[Token, TokenRecord]:
    """Make a token for a worker, and return what is kept of it as well.

    Raises:
        KubeceptionError: it would be for a node of the control plane.
    """
    if node and nodes.role(session, node) is Role.CONTROL_PLANE:
        raise KubeceptionError(
            f"node {node}: is a control-plane node; only workers join",
            hint="kubeception bootstrap, on that host, mends it",
        )
    ca = session.layout.pki.join_ca.certificate
    try:
        token = tokens.new(ca=ca.read_bytes())
    except FileNotFoundError as error:
        raise KubeceptionError(f"{ca}: no such file", hint="kubeception bootstrap") from error
    record = TokenRecord(
        id=token.id,
        public_key=token.public_key,
        role=Role.WORKER,
        expires=session.host.clock.now() + ttl,
        node=node,
        rejoin=rejoin,
        any_source=any_source,
    )
    session.api.create(join_records.from_token(record))
    return token, record


def listed(session: Session) -> list[TokenStatus]:
    """Return all tokens, the ones that expire first first."""
    now = session.host.clock.now()
    claimed = {
        one["metadata"]["name"]
        for one in session.api.list("ConfigMap", namespace=CLAIMS, labels=_of(join_records.CLAIM))
    }
    found = [TokenStatus(record, _state(record, claimed, now)) for record in _records(session)]
    return sorted(found, key=lambda one: (one.record.expires, one.record.id))


def delete(session: Session, ids: Sequence[str]) -> None:
    """Revoke tokens; they are kept until they expire, so that whoever holds one can be told.

    Raises:
        KubeceptionError: some are not known, and nothing was changed.
    """
    known = {record.id for record in _records(session)}
    if unknown := [one for one in ids if one not in known]:
        # What was typed may be a whole token.
        names = [one if tokens.is_id(one) else "(no id of a token)" for one in unknown]
        raise KubeceptionError(
            "\n".join(f"token {name}: there is none" for name in names),
            hint="kubeception token list",
        )
    for one in ids:
        change = {"data": {"revoked": "true"}}
        session.api.merge("ConfigMap", join_records.token_name(one), change, namespace=RECORDS)


def _state(record: TokenRecord, claimed: set[str], now: datetime) -> State:
    if join_records.claim_name(record.id) in claimed:
        return State.SPENT
    if record.revoked:
        return State.REVOKED
    return State.EXPIRED if now >= record.expires else State.UNUSED


def _records(session: Session) -> Iterator[TokenRecord]:
    for found in session.api.list("ConfigMap", namespace=RECORDS, labels=_of(join_records.TOKEN)):
        try:
            yield join_records.to_token(found)
        except ValueError as error:  # somebody's edit; the others are as good as they were
            log.warning("%s", error)


def _of(kind: str) -> dict[str, str]:
    return {join_records.KIND_LABEL: kind}
