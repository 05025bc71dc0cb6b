"""What the cluster remembers of joins, as ConfigMaps: tokens, claims, and who each node is.

Three kinds, by who writes them. *Tokens* are written by an administrator alone. A *claim* is made
by the join service when a host has proven that it holds a token; it is immutable, and there can
only be one of a token, so that a token is spent by making it. *Node records* are written by the
controller alone, where no kubelet can write, and say which addresses a node may have certificates
for.
"""

import contextlib
import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import Any

from kubeception import timestamp
from kubeception.endpoints import Address
from kubeception.pki.token import Claim, Role
from kubeception.render import objects

# Administrators write here, and the controller; the join service reads.
RECORDS = "kubeception-join"
# The join service writes here, new objects only.
CLAIMS = "kubeception-claims"

KIND_LABEL = "kubeception.dev/record"
TOKEN = "token"  # noqa: S105 - a kind of record
CLAIM = "claim"
NODE = "node"
INDEX = "nodes"
LINKS = "links"
# Before each address of a node there; what has no such word is the id of a credential.
ADDRESS = "address="
ROLE_LABEL = "kubeception.dev/role"
# What the records of control-plane hosts are found by.
CONTROL_PLANES = {KIND_LABEL: NODE, ROLE_LABEL: Role.CONTROL_PLANE.value}
# Pending of a node whose credentials were never looked at, or that a person trusts.
ANY = "any"
_YES, _NO = "true", "false"


@dataclass(frozen=True)
class TokenRecord:
    """A token as the cluster knows it: `node` is the only name that it is good for, if any.

    `rejoin` lets it take a name over that is known already, `any_source` a host join that is seen
    from another address than it claims. A token that was revoked is kept until it expires, so that
    its holder can be told.
    """

    id: str
    public_key: bytes
    role: Role
    expires: datetime
    node: str | None = None
    rejoin: bool = False
    any_source: bool = False
    revoked: bool = False


@dataclass(frozen=True)
class ClaimRecord:
    """A claim, its proof, and the certificate request (PEM) that it is for.

    `source` is from where the host was seen, by the word of the join service: for people to read.
    """

    claim: Claim
    proof: bytes
    request: bytes = field(repr=False)
    source: str = ""


@dataclass(frozen=True)
class NodeRecord:
    """Who a node is, by the token that it joined by.

    A node that was removed is remembered for as long as a certificate of its may be valid, so that
    none is good for whoever joins by its name later.
    """

    node: str
    token: str
    role: Role
    addresses: tuple[Address, ...]
    """The ones that it joined with, and may have certificates for."""
    credentials: tuple[str, ...] = ()
    """The ids of its kubelet's client certificates, as the API server says a credential's id."""
    revoked: tuple[str, ...] = ()
    """The ids of those that are void: another host has the name, or had it."""
    pending: str = ""
    """The request (its uid) that was approved last, until its certificate's id is known."""
    taken_over: str = ""
    """When another host took the name over while the node was Ready; "" for never."""
    removed: str = ""
    """When it was removed; "" for a node that there is."""


def namespaces() -> tuple[objects.Object, objects.Object]:
    """Return the two namespaces."""
    return _namespace(RECORDS), _namespace(CLAIMS)


def token_name(token: str) -> str:
    """Return the name of a token's ConfigMap."""
    return f"{TOKEN}-{token}"


def claim_name(token: str) -> str:
    """Return the name of the one claim of a token."""
    return f"{CLAIM}-{token}"


def node_name(node: str) -> str:
    """Return the name of a node's record."""
    return f"{NODE}-{node}"


def request_name(token: str) -> str:
    """Return the name of the CertificateSigningRequest of a token's claim."""
    return f"kubeception-join-{token}"


def from_token(record: TokenRecord) -> objects.Object:
    """Return a token's ConfigMap."""
    values = {
        "id": record.id,
        "publicKey": b64encode(record.public_key).decode(),
        "role": record.role.value,
        "expires": timestamp.text(record.expires),
        "node": record.node or "",
        "rejoin": _YES if record.rejoin else _NO,
        "anySource": _YES if record.any_source else _NO,
        "revoked": _YES if record.revoked else _NO,
    }
    return _config_map(TOKEN, token_name(record.id), RECORDS, values)


def to_token(found: Mapping[str, Any]) -> TokenRecord:
    """Read a token's ConfigMap.

    Raises:
        ValueError: it is none.
    """
    values = _values(found)
    with _reading(found):
        return TokenRecord(
            id=values["id"],
            public_key=b64decode(values["publicKey"], validate=True),
            role=Role(values["role"]),
            expires=datetime.fromisoformat(values["expires"]),
            node=values["node"] or None,
            rejoin=values["rejoin"] == _YES,
            any_source=values.get("anySource") == _YES,
            revoked=values["revoked"] == _YES,
        )


def from_claim(record: ClaimRecord) -> objects.Object:
    """Return a claim's ConfigMap, which nobody can change."""
    claim = record.claim
    values = {
        "token": claim.token,
        "node": claim.node,
        "addresses": json.dumps(claim.addresses),
        "source": record.source,
        "server": claim.server.hex(),
        "nonce": claim.nonce.hex(),
        "request": record.request.decode(),
        "requestDigest": claim.request.hex(),
        "proof": record.proof.hex(),
    }
    made = _config_map(CLAIM, claim_name(claim.token), CLAIMS, values)
    return {**made, "immutable": True}


def to_claim(found: Mapping[str, Any]) -> ClaimRecord:
    """Read a claim's ConfigMap.

    Raises:
        ValueError: it is none.
    """
    values = _values(found)
    with _reading(found):
        claim = Claim(
            token=values["token"],
            node=values["node"],
            addresses=tuple(json.loads(values["addresses"])),
            server=bytes.fromhex(values["server"]),
            nonce=bytes.fromhex(values["nonce"]),
            request=bytes.fromhex(values["requestDigest"]),
        )
        return ClaimRecord(
            claim,
            bytes.fromhex(values["proof"]),
            values["request"].encode(),
            source=values.get("source", ""),
        )


def from_node(record: NodeRecord) -> objects.Object:
    """Return a node's record."""
    values = {
        "node": record.node,
        "token": record.token,
        "role": record.role.value,
        "addresses": json.dumps([str(address) for address in record.addresses]),
        "credentials": json.dumps(record.credentials),
        "revoked": json.dumps(record.revoked),
        "pending": record.pending,
        "takenOver": record.taken_over,
        "removed": record.removed,
    }
    made = _config_map(NODE, node_name(record.node), RECORDS, values)
    made["metadata"]["labels"][ROLE_LABEL] = record.role.value
    return made


def nodes(found: Iterable[Mapping[str, Any]]) -> Iterator[NodeRecord]:
    """Yield the nodes' records among those found that can be read; others are somebody's edit."""
    for one in found:
        with contextlib.suppress(ValueError):
            yield to_node(one)


def to_node(found: Mapping[str, Any]) -> NodeRecord:
    """Read a node's record.

    Raises:
        ValueError: it is none.
    """
    values = _values(found)
    with _reading(found):
        return NodeRecord(
            node=values["node"],
            token=values["token"],
            role=Role(values["role"]),
            addresses=tuple(map(ip_address, json.loads(values["addresses"]))),
            # Earlier versions knew of no credentials: the first that is seen counts.
            credentials=tuple(json.loads(values.get("credentials", "[]"))),
            revoked=tuple(json.loads(values.get("revoked", "[]"))),
            pending=values.get("pending", ANY),
            taken_over=values.get("takenOver", ""),
            removed=values.get("removed", ""),
        )


def index(records: Iterable[NodeRecord]) -> objects.Object:
    """Return the nodes that there are, each with its addresses and the credentials void for it.

    One object, as an admission policy can be given no other than one that it knows by name.
    """
    names = {one.node: " ".join(_words(one)) for one in records if not one.removed}
    return _config_map(INDEX, INDEX, RECORDS, names)


def links(of: Mapping[str, str]) -> objects.Object:
    """Return the link addresses in the pod network that each node has said, which are its alone."""
    return _config_map(LINKS, LINKS, RECORDS, of)


def _words(record: NodeRecord) -> Iterator[str]:
    yield from record.revoked
    for address in record.addresses:
        yield f"{ADDRESS}{address}"


def _namespace(name: str) -> objects.Object:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        # No pod runs in either, and none could that may do anything to its host.
        "metadata": objects.metadata(
            name, namespace=None, labels={"pod-security.kubernetes.io/enforce": "restricted"}
        ),
    }


def _config_map(kind: str, name: str, namespace: str, values: Mapping[str, str]) -> objects.Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": objects.metadata(name, namespace=namespace, labels={KIND_LABEL: kind}),
        "data": dict(values),
    }


def _values(found: Mapping[str, Any]) -> Mapping[str, str]:
    values: Mapping[str, str] = found.get("data") or {}
    return values


@contextlib.contextmanager
def _reading(found: Mapping[str, Any]) -> Iterator[None]:
    try:
        yield
    except (KeyError, ValueError, TypeError) as error:
        name = found["metadata"]["name"]
        raise ValueError(f"ConfigMap {name}: is no record of a join") from error
