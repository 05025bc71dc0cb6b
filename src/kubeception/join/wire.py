"""What a joining host and the join service say to each other, as JSON over one TLS connection.

`GET /join` gives a nonce, for this connection and ten seconds. `POST /join` with a `Request` that
was proven over that nonce gives an `Answer`. Everything else gets a `Refusal`, which says no more
than the other side may know.
"""

import json
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from kubeception.config.model import END
from kubeception.config.names import DNS_NAME, LONGEST_NODE_NAME
from kubeception.readable import readable

PATH = "/join"
BODY_BYTES = 16 * 1024
DEPTH = 8
NONCE_BYTES = 32
NONCE_LIFETIME_S = 10
# How the refusal begins of a host that claims another address; the client knows it by that.
SEEN_FROM = "the host is seen from"
# And how that begins which the controller denied, before its reason; the others are as they are.
DENIED = "the cluster denied the certificate"
NO_ADDRESS = "an address is none that a host can have"
OTHER_NODE = "the token is for another node"

_Hex32 = Annotated[str, Meta(pattern=rf"^[0-9a-f]{{64}}{END}")]
_Hex64 = Annotated[str, Meta(pattern=rf"^[0-9a-f]{{128}}{END}")]
_NodeName = Annotated[str, Meta(pattern=rf"^{DNS_NAME}{END}", max_length=LONGEST_NODE_NAME)]


@readable
class Challenge(Struct, frozen=True, forbid_unknown_fields=True):
    """What the service wants to see proven."""

    nonce: _Hex32


@readable
class Request(Struct, frozen=True, forbid_unknown_fields=True):
    """What a host asks for: a certificate for this node, by this token.

    `request` is the certificate request as PEM, `proof` the signature over the claim
    (pki/token.py).
    """

    token: Annotated[str, Meta(pattern=rf"^[a-z0-9]{{10}}{END}")]
    node: _NodeName
    addresses: Annotated[
        tuple[Annotated[str, Meta(max_length=45)], ...], Meta(min_length=1, max_length=4)
    ]
    nonce: _Hex32
    request: Annotated[str, Meta(max_length=4096)]
    proof: _Hex64


class KubeletSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What a kubelet has to know of the cluster."""

    cluster_dns: str
    cluster_domain: str


@readable
class Answer(Struct, frozen=True, forbid_unknown_fields=True):
    """What a host needs to be a node: its certificate, the cluster's CA, and where the API is.

    `kubelet` are the settings that all kubelets of the cluster share.
    """

    certificate: str
    ca: str
    apiservers: Annotated[tuple[str, ...], Meta(min_length=1)]
    kubelet: KubeletSettings


@readable
class Refusal(Struct, frozen=True, forbid_unknown_fields=True):
    """Why not, in a word or two."""

    error: str


def read(body: bytes) -> Request:
    """Read a request, and nothing that is not exactly one.

    Raises:
        ValueError: it is none; the message repeats nothing of it.
    """
    try:
        text = body.decode()
        if _depth(text) > DEPTH:
            raise ValueError("it is nested too deep")
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
        return msgspec.convert(found, Request)
    except (ValueError, RecursionError) as error:
        raise ValueError("is no request to join") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key is there twice")
    return dict(pairs)


def _refuse(_: str) -> Any:
    raise ValueError("it is no JSON (RFC 8259, 6)")


def _depth(text: str) -> int:
    """Return at least how deep a text is nested; brackets within strings count, too."""
    depth = deepest = 0
    for letter in text:
        if letter in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif letter in "]}":
            depth -= 1
    return deepest
