"""The loop: whenever certificate requests may have changed, judge every one that waits.

It compares what is with what should be, again and again; a watch only wakes it earlier. One bad
request is told and passed over.
"""

import logging
import signal
import sys
import threading
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import TypeVar

from kubeception.controller.approval import (
    Approved,
    Asked,
    Denied,
    Known,
    MadeClaim,
    Network,
    judge,
)
from kubeception.errors import ApiError
from kubeception.kube.client import Api, Object
from kubeception.kube.kinds import KINDS
from kubeception.kube.lease import RENEW_S, Lease
from kubeception.pki.request import SIGNERS
from kubeception.pki.token import Role
from kubeception.render import join_records, objects
from kubeception.render.join_records import CLAIMS, RECORDS, NodeRecord
from kubeception.render.objects import NAMESPACE

log = logging.getLogger("kubeception.controller")

KIND = "CertificateSigningRequest"
_MANAGER = "kubeception-controller"
# What the watch has missed is found by then.
LOOK_EVERY_S = 10.0
_WATCH_S = 60
_REST_S = 1.0

_Record = TypeVar("_Record")


@dataclass(frozen=True)
class ControllerOptions:
    """Whom it believes to be the join service, and the networks that no host is in."""

    join_service: str
    networks: tuple[Network, ...]
    lease: str
    name: str


def run(api: Api, watching: Api, settings: ControllerOptions) -> None:
    """Approve and deny until told to end; `watching` is a second client, for the watch alone."""
    lease = Lease(settings.lease, settings.name, namespace=NAMESPACE, manager=_MANAGER)
    changed = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Thread(target=_watch, args=(watching, changed), daemon=True).start()
    log.info("waiting for certificate requests")
    was_leading, looked, problem = False, 0.0, ""
    try:
        while True:
            is_leading = False
            try:
                is_leading = lease.hold(api)
                is_due = changed.is_set() or monotonic() - looked >= LOOK_EVERY_S
                if is_leading and (is_due or not was_leading):
                    changed.clear()
                    looked = monotonic()
                    decide(api, settings, lease)
                problem = ""
            except ApiError as error:
                if error.message != problem:  # not again every two seconds
                    log.warning("%s", error.message)
                problem = error.message
            if is_leading is not was_leading:
                log.info("leading" if is_leading else "standing by")
            was_leading = is_leading
            if is_leading:
                changed.wait(RENEW_S)
            else:
                sleep(RENEW_S)
    finally:
        try:
            lease.release(api)
        except ApiError as error:  # then it runs out
            log.warning("%s", error.message)


def decide(api: Api, settings: ControllerOptions, lease: Lease) -> None:
    """Judge every request that waits, for as long as this controller leads.

    Raises:
        ApiError: the API can't be asked.
    """
    waiting = [one for one in api.list(KIND) if _waits(one)]
    if not waiting:
        return
    known = _known(api, settings)
    for one in waiting:
        if not lease.hold(api):
            return
        try:
            known = _decide(api, one, known)
        except ApiError as error:
            if error.status == 0:
                raise
            log.warning("%s: %s", one["metadata"]["name"], error.message)
        except Exception:
            log.exception("%s: passed over", one["metadata"]["name"])


def _waits(found: Object) -> bool:
    is_decided = bool((found.get("status") or {}).get("conditions"))
    return not is_decided and found["spec"]["signerName"] in SIGNERS


def _decide(api: Api, found: Object, known: Known) -> Known:
    asked = _asked(found)
    verdict = judge(asked, known)
    if isinstance(verdict, Approved):
        if verdict.record:
            _remember(api, verdict.record, known.records.get(verdict.record.node))
            known = replace(known, records={**known.records, verdict.record.node: verdict.record})
        api.approve(found, is_approved=True, reason="Known", message="kubeception approved it")
        log.info("%s by %s: approved", asked.name, asked.user)
    elif isinstance(verdict, Denied):
        api.approve(found, is_approved=False, reason=verdict.reason, message=verdict.message)
        log.warning("%s by %s: denied: %s", asked.name, asked.user, verdict.message)
        _tell(api, found, verdict)
    return known


def _remember(api: Api, record: NodeRecord, before: NodeRecord | None) -> None:
    """Keep who a node is, before it gets a certificate: so nobody else gets one by its name.

    Raises:
        ApiError: among others 409 where the name was taken since it was judged.
    """
    if record == before:
        return
    wanted = join_records.from_node(record)
    name = wanted["metadata"]["name"]
    found = api.get("ConfigMap", name, namespace=RECORDS) if before else None
    if found is None:
        api.create(wanted)
    else:
        api.set_fields(found, {"/data": wanted["data"]})


def _tell(api: Api, found: Object, denied: Denied) -> None:
    """Leave an event about a request that was denied."""
    # What a list has found does not say what it is.
    what = {"apiVersion": KINDS[KIND].api_version, "kind": KIND}
    api.create(
        objects.warning(
            {**found, **what},
            denied.reason,
            denied.message,
            by={"component": _MANAGER},
            at=datetime.now(UTC),
            generateName=f"{_MANAGER}.",
        )
    )


def _asked(found: Object) -> Asked:
    spec = found["spec"]
    return Asked(
        name=found["metadata"]["name"],
        signer=spec["signerName"],
        user=spec.get("username", ""),
        groups=tuple(spec.get("groups", ())),
        usages=frozenset(spec.get("usages", ())),
        request=b64decode(spec["request"]),
        expiration_s=spec.get("expirationSeconds"),
    )


def _known(api: Api, settings: ControllerOptions) -> Known:
    kept = api.list("ConfigMap", namespace=RECORDS)
    tokens = _read(_of(kept, join_records.TOKEN), join_records.to_token)
    records = map(_record, _of(kept, join_records.NODE))
    claims = {}
    for found in _of(api.list("ConfigMap", namespace=CLAIMS), join_records.CLAIM):
        for claim in _read([found], join_records.to_claim):
            # Its name is what makes it the only one; what it says of itself is only text.
            if found["metadata"]["name"] == join_records.claim_name(claim.claim.token):
                made = datetime.fromisoformat(found["metadata"]["creationTimestamp"])
                claims[claim.claim.token] = MadeClaim(claim, made)
    return Known(
        join_service=settings.join_service,
        tokens={token.id: token for token in tokens},
        claims=claims,
        records={record.node: record for record in records},
        nodes={node["metadata"]["name"]: tuple(_addresses(node)) for node in api.list("Node")},
        networks=settings.networks,
    )


def _record(found: Object) -> NodeRecord:
    """Read who a node is; a record that can't be read keeps its name from everybody."""
    name = found["metadata"]["name"]
    for record in _read([found], join_records.to_node):
        if join_records.node_name(record.node) == name:
            return record
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


def _addresses(node: Object) -> Iterator[str]:
    for one in (node.get("status") or {}).get("addresses") or []:
        if one["type"] in {"InternalIP", "ExternalIP"}:
            yield one["address"]


def _watch(api: Api, changed: threading.Event) -> None:
    """Say whenever a request may have changed, for ever."""
    rest = threading.Event()
    while True:
        try:
            for _ in api.watch(KIND, timeout_s=_WATCH_S):
                changed.set()
        except ApiError as error:
            log.debug("watch: %s", error.message)
            rest.wait(_REST_S)
