"""Nodes as an administrator has them: who they are and how they joined, and one of them removed."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from kubeception import timestamp
from kubeception.admin import drain
from kubeception.admin.drain import Tell
from kubeception.conditions.reading import condition_of, conditions_of, node_addresses
from kubeception.config.names import node_of
from kubeception.errors import ApiError, KubeceptionError
from kubeception.gather import node_name
from kubeception.kube.client import Object
from kubeception.pki.token import Role
from kubeception.render import join_records
from kubeception.render.join_records import RECORDS, NodeRecord
from kubeception.render.objects import CONTROL_PLANE
from kubeception.session import Session

GONE = 404
# So long status tells of a name that was taken over, and so long a request may wait untold.
TOLD_FOR = timedelta(days=1)
PATIENCE = timedelta(minutes=1)


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
    if role(session, name) is Role.CONTROL_PLANE:
        raise KubeceptionError(f"node {name}: is a control-plane node; only workers are removed")


def role(session: Session, name: str) -> Role:
    """Return the role of a node; one that nobody knows would be a worker."""
    return _role(session.api.get("Node", name), _record(session, name))


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
    was_known = _forget(session, name)
    if node is not None:
        session.api.delete("Node", name)
        tell(f"node {name}: removed")
    if was_known:
        tell(f"node {name}: its name is free")
    return node is not None or was_known


def _forget(session: Session, name: str) -> bool:
    """Keep of a node only what is void from here on; return whether it was known.

    Its kubelet writes nothing any more, its Node neither.
    """
    path = join_records.node_name(name)
    found = session.api.get("ConfigMap", path, namespace=RECORDS)
    record = next(join_records.nodes([found]), None) if found else None
    if found is None or (record and record.removed):
        return False
    if record is None:  # whoever changed it also knows which token it was
        session.api.delete("ConfigMap", path, namespace=RECORDS)
    else:
        _revoke(session, record)
        gone = replace(
            record,
            addresses=(),
            credentials=(),
            revoked=tuple(sorted({*record.revoked, *record.credentials})),
            pending="",
            removed=timestamp.text(session.host.clock.now()),
        )
        _merge(session, path, {"data": join_records.from_node(gone)["data"]})
    _merge(session, join_records.INDEX, {"data": {name: None}})
    return True


def trust(session: Session, name: str) -> None:
    """Take the certificate by which a node's kubelet asks next as its own.

    Raises:
        KubeceptionError: there is no such worker.
    """
    record = _record(session, name)
    if record is None or record.role is not Role.WORKER:
        raise KubeceptionError(
            f"node {name}: there is no such worker", hint="kubeception node list"
        )
    _merge(session, join_records.node_name(name), {"data": {"pending": join_records.ANY}})


def notices(session: Session) -> Iterator[str]:
    """Yield what a person should know of who joins.

    Names taken over, renewals that are held, and hosts that were copied from one another.
    """
    now = session.host.clock.now()
    for record in _records(session):
        if record.taken_over and now - datetime.fromisoformat(record.taken_over) < TOLD_FOR:
            yield (
                f"node {record.node} was taken over by another host while it was Ready, at "
                f"{record.taken_over}, with token {record.token}"
            )
    for found in session.api.list("CertificateSigningRequest"):
        made = datetime.fromisoformat(found["metadata"]["creationTimestamp"])
        node = node_of(found["spec"].get("username", ""))
        if node and not any(conditions_of(found)) and now - made > PATIENCE:
            yield (
                f"node {node} asks for a certificate that nobody has decided about since "
                f"{timestamp.text(made)}; if it is the host that it says: "
                f"kubeception node trust {node}"
            )
    yield from _copies(session.api.list("Node"))


def _copies(found: Iterable[Object]) -> Iterator[str]:
    """Yield which nodes have one machine ID, which no two hosts may (machine-id(5)).

    A control-plane host keeps its own.
    """
    by_id: dict[str, list[Object]] = {}
    for one in found:
        told = one.get("status", {}).get("nodeInfo") or {}
        by_id.setdefault(told.get("machineID") or "", []).append(one)
    by_id.pop("", None)
    for same in filter(lambda same: len(same) > 1, by_id.values()):
        same.sort(key=lambda one: (_role(one, None) is Role.WORKER, one["metadata"]["name"]))
        first, *others = (one["metadata"]["name"] for one in same)
        yield (
            f"nodes {', '.join((first, *others))} have one machine ID, as copies of a disk do: DHCP"
            f" may give them one address; on {', '.join(others)}:"
            " tr -d - < /proc/sys/kernel/random/uuid > /etc/machine-id; reboot"
        )


def _merge(session: Session, name: str, change: Object) -> None:
    """Change a ConfigMap beside the records, where it is there."""
    try:
        session.api.merge("ConfigMap", name, change, namespace=RECORDS)
    except ApiError as error:
        if error.status != GONE:
            raise


def _revoke(session: Session, record: NodeRecord) -> None:
    if not record.token:
        return
    change = {"data": {"revoked": "true"}}
    _merge(session, join_records.token_name(record.token), change)


def _listed(name: str, node: Object | None, record: NodeRecord | None) -> NodeStatus:
    return NodeStatus(
        name=name,
        role=_role(node, record),
        problem=_problem(node),
        addresses=node_addresses(node or {}) or tuple(map(str, record.addresses if record else ())),
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
    if condition_of(node, "Ready"):
        return None
    conditions = node.get("status", {}).get("conditions") or []
    return next((one.get("reason") for one in conditions if one["type"] == "Ready"), None) or "no"


def _records(session: Session) -> Iterator[NodeRecord]:
    labels = {join_records.KIND_LABEL: join_records.NODE}
    found = session.api.list("ConfigMap", namespace=RECORDS, labels=labels)
    return (record for record in join_records.nodes(found) if not record.removed)


def _record(session: Session, name: str) -> NodeRecord | None:
    """Return who a node is; None where there is none, or nobody can read it."""
    found = session.api.get("ConfigMap", join_records.node_name(name), namespace=RECORDS)
    record = next(join_records.nodes([found]), None) if found else None
    return None if record and record.removed else record
