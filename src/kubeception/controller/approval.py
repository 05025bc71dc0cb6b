"""Which kubelets' certificate requests are approved: pure rules.

The join service is believed nothing: what it forwards carries the proof of the host that asked, and
that is verified here with the token's public key, which only administrators write.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address

from kubeception.config import names
from kubeception.pki import request as requests
from kubeception.pki.token import Claim, Role, verifies
from kubeception.render import join_records
from kubeception.render.join_records import ClaimRecord, NodeRecord, TokenRecord

Network = IPv4Network | IPv6Network

_LONGEST = timedelta(days=366)
_MOST_ADDRESSES = 4
_USAGES = {requests.CLIENT_SIGNER: "client auth", requests.SERVING_SIGNER: "server auth"}


class Reason(StrEnum):
    """Why a request is denied, as its condition says."""

    NAME_TAKEN = "NameTaken"
    ADDRESS_TAKEN = "AddressTaken"
    NOT_PROVEN = "NotProven"
    TOKEN_EXPIRED = "TokenExpired"  # noqa: S105 - a reason
    TOKEN_REVOKED = "TokenRevoked"  # noqa: S105 - a reason
    WRONG_NAME = "WrongName"
    BAD_REQUEST = "BadRequest"


@dataclass(frozen=True)
class Asked:
    """A certificate request as the API has it."""

    name: str
    signer: str
    user: str
    groups: tuple[str, ...]
    usages: frozenset[str]
    request: bytes = field(repr=False)
    expiration_s: int | None = None


@dataclass(frozen=True)
class MadeClaim:
    """A claim, and when it was made."""

    record: ClaimRecord
    made: datetime


@dataclass(frozen=True)
class Known:
    """What the cluster knows: tokens and claims by token id, records by node.

    `nodes` are the addresses of every Node object by its name, `networks` those of pods and
    Services, which no host can have.
    """

    join_service: str
    tokens: Mapping[str, TokenRecord] = field(default_factory=dict)
    claims: Mapping[str, MadeClaim] = field(default_factory=dict)
    records: Mapping[str, NodeRecord] = field(default_factory=dict)
    nodes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True)
class Approved:
    """It may be signed; `record` is to be kept first, where the host is new."""

    record: NodeRecord | None = None


@dataclass(frozen=True)
class Denied:
    """It may not, and why."""

    reason: Reason
    message: str


Decision = Approved | Denied | None


def judge(asked: Asked, known: Known) -> Decision:
    """Return what becomes of a request; None where it is not ours to decide."""
    if asked.signer == requests.SERVING_SIGNER:
        return _serving(asked, known)
    if asked.signer != requests.CLIENT_SIGNER or _is_renewal(asked):
        return None  # Kubernetes approves what a kubelet renews (`selfnodeclient`)
    if asked.user != known.join_service:
        return Denied(Reason.NOT_PROVEN, "only hosts that join get their first certificate")
    return _first(asked, known)


def _is_renewal(asked: Asked) -> bool:
    node = asked.user.removeprefix(requests.user(""))
    is_kubelet = node != asked.user and requests.NODES in asked.groups
    return is_kubelet and requests.client_problem(asked.request, node) is None


def _serving(asked: Asked, known: Known) -> Decision:
    node = asked.user.removeprefix(requests.user(""))
    if node == asked.user or requests.NODES not in asked.groups:
        return Denied(Reason.WRONG_NAME, "only a kubelet may ask for its serving certificate")
    record = known.records.get(node)
    if record is None:
        return Denied(Reason.WRONG_NAME, f"node {node} has not joined")
    problem = _form_problem(asked) or requests.server_problem(asked.request, node, record.addresses)
    return Denied(Reason.BAD_REQUEST, problem) if problem else Approved()


def _first(asked: Asked, known: Known) -> Decision:
    made = next(
        (
            claim
            for token, claim in known.claims.items()
            if join_records.request_name(token) == asked.name
        ),
        None,
    )
    token = known.tokens.get(made.record.claim.token) if made else None
    if made is None or token is None:
        return Denied(Reason.NOT_PROVEN, "there is no token and no claim for it")
    denied = next(_problems(asked, made, token, known), None)
    if denied:
        return denied
    claim = made.record.claim
    return Approved(NodeRecord(claim.node, token.id, token.role, claim.addresses))


def _problems(asked: Asked, made: MadeClaim, token: TokenRecord, known: Known) -> Iterator[Denied]:
    claim = made.record.claim
    if not verifies(token.public_key, made.record.proof, claim):
        yield Denied(Reason.NOT_PROVEN, "the claim's proof is not by its token")
    problem = (
        _form_problem(asked)
        or requests.client_problem(asked.request, claim.node)
        or _addresses_problem(claim.addresses)
    )
    if problem:
        yield Denied(Reason.BAD_REQUEST, problem)
    elif requests.digest(asked.request) != claim.request:
        yield Denied(Reason.NOT_PROVEN, "it is not the request that was proven")
    if made.made >= token.expires:
        yield Denied(Reason.TOKEN_EXPIRED, "the token had expired")
    if token.revoked:
        yield Denied(Reason.TOKEN_REVOKED, "the token was revoked")
    if token.role is not Role.WORKER:
        yield Denied(Reason.NOT_PROVEN, f"nobody can join as {token.role} yet")
    if names.node_problem(claim.node):
        yield Denied(Reason.WRONG_NAME, "no node can have the name")
    if token.node not in {None, claim.node}:
        yield Denied(Reason.WRONG_NAME, "the token is for another name")
    yield from _taken(claim, token, known)


def _taken(claim: Claim, token: TokenRecord, known: Known) -> Iterator[Denied]:
    record = known.records.get(claim.node)
    if record is not None and record.role is not Role.WORKER:
        yield Denied(Reason.NAME_TAKEN, "the name is a control-plane node's")
    is_again = record is not None and record.token == token.id
    may_take = token.rejoin and token.node == claim.node
    if not is_again and not may_take and (record is not None or claim.node in known.nodes):
        yield Denied(Reason.NAME_TAKEN, "a node has the name; a rejoin token takes it over")
    others = {
        *(ip for name, ips in known.nodes.items() if name != claim.node for ip in ips),
        *(ip for it in known.records.values() if it.node != claim.node for ip in it.addresses),
    }
    for address in claim.addresses:
        if address in others or any(ip_address(address) in net for net in known.networks):
            yield Denied(Reason.ADDRESS_TAKEN, f"address {address} is not the host's")


def _addresses_problem(addresses: tuple[str, ...]) -> str | None:
    """Say what is wrong with a claim's addresses.

    One spelling each, so that two that look different are different: certificates have bytes, and
    an IPv4 address within an IPv6 one has the same.
    """
    if not 0 < len(set(addresses)) == len(addresses) <= _MOST_ADDRESSES:
        return f"it is for no address, for more than {_MOST_ADDRESSES}, or for one twice"
    return next(filter(None, map(requests.address_problem, addresses)), None)


def _form_problem(asked: Asked) -> str | None:
    """Say what is wrong with what is asked besides the request itself."""
    wanted = {"digital signature", _USAGES[asked.signer]}
    if asked.usages not in (wanted, wanted | {"key encipherment"}):
        return "its usages are not those of its signer"
    if asked.expiration_s is not None and asked.expiration_s > _LONGEST.total_seconds():
        return "it is to be valid for too long"
    return None
