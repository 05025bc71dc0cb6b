"""What the rules of approval go by, read from the API."""

import contextlib
import logging
from base64 import b64decode
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from ipaddress import ip_address
from typing import TypeVar

from kubeception.conditions.reading import condition_of
from kubeception.config.names import Reserved
from kubeception.controller.approval import Asked, Issued, Known, MadeClaim
from kubeception.endpoints import Address, Network
from kubeception.kube.client import Api, Object
from kubeception.pki import request as requests
from kubeception.pki.token import Role
from kubeception.render import flannel, join_records
from kubeception.render.join_records import CLAIMS, RECORDS, NodeRecord

log = logging.getLogger("kubeception.controller")

_CREDENTIAL = "authentication.kubernetes.io/credential-id"
_Record = TypeVar("_Record")


def asked(found: Object) -> Asked:
    """Read a certificate request."""
    spec = found["spec"]
    [credential, *_] = (spec.get("extra") or {}).get(_CREDENTIAL) or [""]
    return Asked(
        name=found["metadata"]["name"],
        uid=found["metadata"]["uid"],
        signer=spec["signerName"],
        user=spec.get("username", ""),
        groups=tuple(spec.get("groups", ())),
        usages=frozenset(spec.get("usages", ())),
        request=b64decode(spec["request"]),
        credential=credential,
        expiration_s=spec.get("expirationSeconds"),
    )


def issued(found: Iterable[Object]) -> Iterator[Issued]:
    """Yield the client certificates that were signed for kubelets."""
    for one in found:
        certificate = (one.get("status") or {}).get("certificate")
        if certificate and one["spec"]["signerName"] == requests.CLIENT_SIGNER:
            try:
                node, credential = requests.issued(b64decode(certificate))
            except ValueError as error:
                log.warning("%s: %s", one["metadata"]["name"], error)
                continue
            yield Issued(one["metadata"]["uid"], node, credential)


def read(
    api: Api,
    signed: Iterable[Issued],
    *,
    join_service: str,
    reserved: Reserved,
    networks: tuple[Network, ...],
) -> Known:
    """Read what is known of tokens, claims and nodes.

    Raises:
        ApiError: the API can't be asked.
    """
    kept = api.list("ConfigMap", namespace=RECORDS)
    tokens = _read(_of(kept, join_records.TOKEN), join_records.to_token)
    records = {one.node: one for one in map(record, _of(kept, join_records.NODE))}
    claims = {}
    for found in _of(api.list("ConfigMap", namespace=CLAIMS), join_records.CLAIM):
        for claim in _read([found], join_records.to_claim):
            # Its name is what makes it the only one; what it says of itself is only text.
            if found["metadata"]["name"] == join_records.claim_name(claim.claim.token):
                made = datetime.fromisoformat(found["metadata"]["creationTimestamp"])
                claims[claim.claim.token] = MadeClaim(claim, made)
    nodes = api.list("Node")
    by_node: dict[str, set[str]] = defaultdict(set)
    for one in signed:
        by_node[one.node].add(one.credential)
    return Known(
        join_service=join_service,
        reserved=reserved,
        tokens={token.id: token for token in tokens},
        claims=claims,
        records={name: one for name, one in records.items() if not one.removed},
        removed={name: one for name, one in records.items() if one.removed},
        issued={name: frozenset(ids) for name, ids in by_node.items()},
        nodes=frozenset(node["metadata"]["name"] for node in nodes),
        ready=frozenset(node["metadata"]["name"] for node in nodes if condition_of(node, "Ready")),
        links={node["metadata"]["name"]: " ".join(flannel.link_addresses(node)) for node in nodes},
        networks=networks,
        services=frozenset(_outside(api.list("Service"))),
    )


def record(found: Object) -> NodeRecord:
    """Read who a node is; a record that can't be read keeps its name from everybody."""
    name = found["metadata"]["name"]
    for it in _read([found], join_records.to_node):
        if join_records.node_name(it.node) == name:
            return it
    return NodeRecord(name.removeprefix(join_records.node_name("")), "", Role.CONTROL_PLANE, ())


def _of(found: Iterable[Object], kind: str) -> Iterator[Object]:
    for one in found:
        if (one["metadata"].get("labels") or {}).get(join_records.KIND_LABEL) == kind:
            yield one


def _read(found: Iterable[Object], to_record: Callable[[Object], _Record]) -> Iterator[_Record]:
    for one in found:
        try:
            yield to_record(one)
        except ValueError as error:
            log.warning("%s", error)


def _outside(services: Iterable[Object]) -> Iterator[Address]:
    """Yield the addresses at which Services are reached from outside the cluster."""
    for one in services:
        balancer = (one.get("status") or {}).get("loadBalancer") or {}
        of_balancer = (at.get("ip") for at in balancer.get("ingress") or [])
        for text in (*(one["spec"].get("externalIPs") or []), *of_balancer):
            with contextlib.suppress(ValueError):
                yield ip_address(text)
