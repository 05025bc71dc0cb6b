"""What joins leave behind, and when nobody needs it any more: pure rules.

A claim is the proof that its token is spent, so it goes only when its token is seen to be gone.
"""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from kubeception.conditions import reading
from kubeception.controller import known
from kubeception.kube.client import Object
from kubeception.render import join_records
from kubeception.render.join_records import CLAIMS, RECORDS

# So long an administrator can see what became of a token that is good for nothing any more.
KEPT = timedelta(days=1)
# Whoever asks again later makes a request of the same name anew.
DECIDED_KEPT = timedelta(minutes=10)
UNDECIDED_KEPT = timedelta(hours=1)
# No certificate of a removed node's is valid any more: they are for a year (approval.py).
REMOVED_KEPT = timedelta(days=400)


@dataclass(frozen=True)
class Leftover:
    """An object that can go."""

    kind: str
    name: str
    namespace: str | None = None


@dataclass(frozen=True)
class Found:
    """What there is: claims that were listed before the records, and requests for certificates.

    Otherwise a token that was made in between would be missing where its claim is there.
    """

    claims: Iterable[Object]
    records: Iterable[Object]
    requests: Iterable[Object]


def leftovers(
    found: Found, *, join_service: str, learnt: Set[str], now: datetime
) -> Iterator[Leftover]:
    """Yield what can go by now.

    Of requests those that the join service made, and of the signed ones those whose certificates'
    ids are known (`learnt`, by uid); Kubernetes collects those of others.
    """
    spent = {_name(one): _made(one) for one in found.claims}
    needed = set()
    for one in found.records:
        kind, _, of = _name(one).partition("-")
        claim = join_records.claim_name(of)
        if kind == join_records.TOKEN:
            needed.add(claim)
        if "deletionTimestamp" not in one["metadata"] and (
            (kind == join_records.TOKEN and _is_past(one, spent.get(claim), now))
            or (kind == join_records.NODE and _is_forgotten(one, now))
        ):
            yield Leftover("ConfigMap", _name(one), RECORDS)
    for name in spent:
        if name.startswith(join_records.claim_name("")) and name not in needed:
            yield Leftover("ConfigMap", name, CLAIMS)
    for one in found.requests:
        if one["spec"].get("username") == join_service and _is_over(one, learnt, now):
            yield Leftover("CertificateSigningRequest", _name(one))


def _is_past(found: Object, spent: datetime | None, now: datetime) -> bool:
    """Tell whether a token has been good for nothing long enough; not of one nobody can read."""
    try:
        token = join_records.to_token(found)
    except ValueError:
        return False
    return now >= min(token.expires, spent or token.expires) + KEPT


def _is_forgotten(found: Object, now: datetime) -> bool:
    """Tell whether it is the record of a node that was removed, and can't come back."""
    removed = known.record(found).removed
    return bool(removed) and now >= datetime.fromisoformat(removed) + REMOVED_KEPT


def _is_over(found: Object, learnt: Set[str], now: datetime) -> bool:
    status = found.get("status") or {}
    age = now - _made(found)
    if status.get("certificate"):
        return age >= DECIDED_KEPT and found["metadata"]["uid"] in learnt
    kinds = {one["type"] for one in reading.conditions_of(found)}
    return age >= (DECIDED_KEPT if kinds & {"Denied", "Failed"} else UNDECIDED_KEPT)


def _name(found: Object) -> str:
    name: str = found["metadata"]["name"]
    return name


def _made(found: Object) -> datetime:
    return reading.time(found["metadata"]["creationTimestamp"])
