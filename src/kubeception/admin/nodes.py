"""Nodes as an administrator has them: who they are and how they joined, and one of them removed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kubeception.admin import drain
from kubeception.admin.drain import Tell
from kubeception.errors import ApiError, KubeceptionError
from kubeception.gather import node_name
from kubeception.kube.client import Object
from kubeception.pki.token import Role
from kubeception.render import join_records
from kubeception.render.join_records import RECORDS, NodeRecord
from kubeception.render.objects import CONTROL_PLANE
from kubeception.session import Session

GONE = 404


@dataclass(frozen=True)
class NodeStatus:
    """A node; `problem` is None where it is ready, and `token` the one that it joined by."""

    name: str
    role: Role
    problem: str | None
    addresses: tuple[str, ...]
    token: str | None


def listed(session: Session) -> list[NodeStatus]:
    """Return every node, and every one that has joined and that no kubelet has told of yet."""
    found = {one["metadata"]["name"]: one for one in session.api.list("Node")}
    records = {one.node: one for one in _records(session)}
    return [
        _listed(name, found.get(name), records.get(name))
        for name in sorted(found.keys() | records.keys())
    ]


def refuse_own(session: Session, name: str) -> None:
    """Go on only if a node is none that the control plane is on.

    Raises:
        KubeceptionError: it is.
    """
    if name == node_name(session):
        hint = "kubeception reset takes kubeception off this host"
        raise KubeceptionError(
            f"node {name}: is this host's own, with its control plane", hint=hint
        )
    node = session.api.get("Node", name)
    record = next((one for one in _records(session) if one.node == name), None)
    if _role(node, record) is Role.CONTROL_PLANE:
        raise KubeceptionError(f"node {name}: is a control-plane node; only workers are removed")


def remove(session: Session, name: str, *, timeout_s: float, tell: Tell) -> bool:
    """Empty a worker and forget it, so that its name is free; return whether it was known.

    Its token is good for nothing any more, so that what was proven with it is not taken again.

    Raises:
        KubeceptionError: it is a control-plane node.
        WaitTimeout: it is not empty in time; it takes no new pods, and is still there.
    """
    refuse_own(session, name)
    node = session.api.get("Node", name)
    if node is not None:
        if drain.cordon(session.api, node):
            tell(f"node {name}: takes no new pods")
        drain.drain(session, name, timeout_s=timeout_s, tell=tell)
    known = session.api.get("ConfigMap", join_records.node_name(name), namespace=RECORDS)
    if known is not None:
        _revoke(session, known)
    if node is not None:
        session.api.delete("Node", name)
        tell(f"node {name}: removed")
    if known is not None:
        session.api.delete("ConfigMap", join_records.node_name(name), namespace=RECORDS)
        tell(f"node {name}: its name is free")
    return node is not None or known is not None


def _revoke(session: Session, known: Object) -> None:
    try:
        record = join_records.to_node(known)
    except ValueError:
        return  # whoever changed it also knows which token it was
    change = {"data": {"revoked": "true"}}
    try:
        token = join_records.token_name(record.token)
        session.api.merge("ConfigMap", token, change, namespace=RECORDS)
    except ApiError as error:
        if error.status != GONE:
            raise


def _listed(name: str, node: Object | None, record: NodeRecord | None) -> NodeStatus:
    return NodeStatus(
        name=name,
        role=_role(node, record),
        problem=_problem(node),
        addresses=_addresses(node) or (record.addresses if record else ()),
        token=(record.token or None) if record else None,
    )


def _role(node: Object | None, record: NodeRecord | None) -> Role:
    labels: Mapping[str, str] = (node or {}).get("metadata", {}).get("labels") or {}
    if CONTROL_PLANE in labels:
        return Role.CONTROL_PLANE
    return record.role if record else Role.WORKER


def _problem(node: Object | None) -> str | None:
    if node is None:
        return "joined, not seen yet"
    if drain.is_ready(node):
        return None
    conditions = node.get("status", {}).get("conditions") or []
    return next((one.get("reason") for one in conditions if one["type"] == "Ready"), None) or "no"


def _addresses(node: Object | None) -> tuple[str, ...]:
    told = (node or {}).get("status", {}).get("addresses") or []
    return tuple(one["address"] for one in told if one["type"] == "InternalIP")


def _records(session: Session) -> Iterator[NodeRecord]:
    labels = {join_records.KIND_LABEL: join_records.NODE}
    for found in session.api.list("ConfigMap", namespace=RECORDS, labels=labels):
        try:
            yield join_records.to_node(found)
        except ValueError:  # somebody's edit; the Node is listed all the same
            continue
