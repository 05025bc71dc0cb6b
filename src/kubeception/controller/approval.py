"""Which kubelets' certificate requests are approved: pure rules.

The join service is believed nothing: what it forwards carries the proof of the host that asked, and
that is verified here with the token's public key, which only administrators write.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address

from kubeception import timestamp
from kubeception.config import names
from kubeception.endpoints import Address, Network
from kubeception.pki import denial
from kubeception.pki import request as requests
from kubeception.pki.token import Claim, Role, verifies
from kubeception.render import join_records
from kubeception.render.join_records import ClaimRecord, NodeRecord, TokenRecord

_LONGEST = timedelta(days=366)
_MOST_ADDRESSES = 4
# Of a node, the newest: those before have expired, or soon will.
_MOST_CREDENTIALS = 8
_USAGES = {requests.CLIENT_SIGNER: "client auth", requests.SERVING_SIGNER: "server auth"}


class Reason(StrEnum):
    """Why a request is denied, as its condition says, or what an event is about."""

    NAME_TAKEN = "NameTaken"
    ADDRESS_TAKEN = "AddressTaken"
    NOT_PROVEN = "NotProven"
    TOKEN_EXPIRED = "TokenExpired"  # noqa: S105 - a reason
    TOKEN_REVOKED = "TokenRevoked"  # noqa: S105 - a reason
    WRONG_NAME = "WrongName"
    BAD_REQUEST = "BadRequest"
    REMOVED = "Removed"
    REVOKED = "Revoked"
    UNKNOWN_CREDENTIAL = "UnknownCredential"
    TAKEN_OVER = "TakenOver"
    LINK_SHARED = "LinkAddressShared"


@dataclass(frozen=True)
class Asked:
    """A certificate request as the API has it."""

    name: str
    uid: str
    signer: str
    user: str
    groups: tuple[str, ...]
    usages: frozenset[str]
    request: bytes = field(repr=False)
    credential: str = ""
    """The id of the certificate that it was asked with."""
    expiration_s: int | None = None


@dataclass(frozen=True)
class Issued:
    """A client certificate that was signed for a node: for which request (uid), and its id."""

    request: str
    node: str
    credential: str


@dataclass(frozen=True)
class MadeClaim:
    """A claim, and when it was made."""

    record: ClaimRecord
    made: datetime


@dataclass(frozen=True)
class Known:
    """What the cluster knows: tokens and claims by token id, records by node.

    `removed` are the records of nodes that are none any more, `issued` the ids of certificates that
    were signed for a node lately, and `ready` the names of Nodes that say they are.
    `nodes` are the names of all Node objects; what these say of addresses, kubelets have written.
    `links` are what they say of link addresses in the pod network, a word for each.
    No host has what is `reserved`, an address of `networks`, which are those of pods and Services,
    or one of `services`, at which a Service is reached from outside.
    """

    join_service: str
    reserved: names.Reserved
    tokens: Mapping[str, TokenRecord] = field(default_factory=dict)
    claims: Mapping[str, MadeClaim] = field(default_factory=dict)
    records: Mapping[str, NodeRecord] = field(default_factory=dict)
    removed: Mapping[str, NodeRecord] = field(default_factory=dict)
    issued: Mapping[str, frozenset[str]] = field(default_factory=dict)
    ready: frozenset[str] = frozenset()
    nodes: frozenset[str] = frozenset()
    links: Mapping[str, str] = field(default_factory=dict)
    networks: tuple[Network, ...] = ()
    services: frozenset[Address] = frozenset()


@dataclass(frozen=True)
class Approved:
    """It may be signed; `record` is to be kept first, where the host is new."""

    record: NodeRecord | None = None


@dataclass(frozen=True)
class Denied:
    """It may not, and why."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Held:
    """It is decided by a person."""

    message: str


Decision = Approved | Denied | Held | None


def judge(asked: Asked, known: Known, now: datetime) -> Decision:
    """Return what becomes of a request; None where it is not ours to decide."""
    node = names.node_of(asked.user) if requests.NODES in asked.groups else None
    if asked.signer == requests.SERVING_SIGNER:
        if node is None:
            return Denied(Reason.WRONG_NAME, "only a kubelet may ask for its serving certificate")
        return _void(asked, node, known) or _serving(asked, node, known)
    if asked.signer != requests.CLIENT_SIGNER:
        return None
    if node is not None:
        return _void(asked, node, known) or _renewal(asked, node, known)
    if asked.user != known.join_service:
        return Denied(Reason.NOT_PROVEN, "only hosts that join get their first certificate")
    return _first(asked, known, now)


def _void(asked: Asked, node: str, known: Known) -> Denied | None:
    """Deny whoever was a node's kubelet once, and is no more."""
    record = known.records.get(node)
    if record is None:
        return Denied(Reason.REMOVED, f"node {node} was removed, or has never joined")
    if asked.credential in record.revoked:
        return Denied(Reason.REVOKED, f"another host has joined as {node}")
    return None


def _renewal(asked: Asked, node: str, known: Known) -> Decision:
    """Judge a kubelet that asks for its own client certificate anew.

    It asks with the one that it has, and its record knows that; or one is pending, whose id nobody
    has seen since: this controller may have been down for longer than Kubernetes keeps requests.
    """
    record = known.records[node]
    problem = _form_problem(asked) or requests.client_problem(asked.request, node)
    if problem:
        return Denied(Reason.BAD_REQUEST, problem)
    if record.role is Role.CONTROL_PLANE:  # its host has the CA's key
        return Approved()
    if asked.credential in record.credentials:
        return Approved(replace(record, pending=asked.uid))
    if record.pending and asked.credential:
        return Approved(replace(_knowing(record, asked.credential), pending=asked.uid))
    return Held(f"node {node} asks with a certificate that is not known to be its own")


def with_issued(record: NodeRecord, issued: Issued) -> NodeRecord:
    """Return a node's record once a certificate was signed for it."""
    if issued.credential in record.revoked:
        return record
    pending = "" if issued.request == record.pending else record.pending
    return replace(_knowing(record, issued.credential), pending=pending)


def _knowing(record: NodeRecord, credential: str) -> NodeRecord:
    if credential in record.credentials:
        return record
    return replace(record, credentials=(*record.credentials, credential)[-_MOST_CREDENTIALS:])


def _serving(asked: Asked, node: str, known: Known) -> Decision:
    record = known.records[node]
    if reserved := known.reserved.node_problem(node):
        return Denied(Reason.WRONG_NAME, reserved)
    if any(map(known.reserved.has, record.addresses)):
        return Denied(Reason.ADDRESS_TAKEN, "the API is reached at its address")
    problem = _form_problem(asked) or requests.server_problem(asked.request, node, record.addresses)
    return Denied(Reason.BAD_REQUEST, problem) if problem else Approved()


def _first(asked: Asked, known: Known, now: datetime) -> Decision:
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
    before = known.records.get(claim.node)
    if before and before.token == token.id:
        return Approved(replace(before, pending=asked.uid))
    gone = before or known.removed.get(claim.node)
    revoked = {*gone.revoked, *gone.credentials} if gone else set()
    is_live = before is not None and claim.node in known.ready
    return Approved(
        NodeRecord(
            claim.node,
            token.id,
            token.role,
            tuple(map(ip_address, claim.addresses)),
            pending=asked.uid,
            revoked=tuple(sorted({*revoked, *known.issued.get(claim.node, ())})),
            taken_over=timestamp.text(now) if is_live else "",
        )
    )


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
    if reserved := known.reserved.node_problem(claim.node):
        yield Denied(Reason.WRONG_NAME, reserved)
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
    for address in map(ip_address, claim.addresses):
        if whose := _whose(address, claim.node, token, known):
            yield Denied(Reason.ADDRESS_TAKEN, denial.address_taken(address, whose))


def _whose(address: Address, node: str, token: TokenRecord, known: Known) -> str | None:
    """Say whose an address is, if it can't be this node's.

    The host is told. One that may claim whatever address it likes could ask for the name of any
    node by its address, and is not told the name.
    """
    others = (it.node for it in known.records.values() if address in it.addresses)
    if other := next((it for it in others if it != node), None):
        return denial.ANOTHER_NODE if token.any_source else denial.of_node(other)
    if known.reserved.has(address):
        return denial.API
    if address in known.services:
        return denial.SERVICE
    return denial.IN_NETWORK if any(address in net for net in known.networks) else None


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
