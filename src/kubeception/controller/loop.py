"""The loop: whenever certificate requests may have changed, judge every one that waits.

It compares what is with what should be, again and again; a watch only wakes it earlier. One bad
request is told and passed over. Every few minutes what joins have left behind is swept. Beside it
the nodes are worked off that somebody asked for in batches.
"""

import contextlib
import logging
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from time import monotonic, sleep

from kubeception import timestamp
from kubeception.conditions.reading import conditions_of
from kubeception.config.names import Reserved
from kubeception.controller import known as knowledge
from kubeception.controller import lists
from kubeception.controller.approval import (
    Approved,
    Decision,
    Denied,
    Held,
    Issued,
    Known,
    Reason,
    judge,
    with_issued,
)
from kubeception.controller.events import tell
from kubeception.controller.leftovers import Found, leftovers
from kubeception.controller.upgrades import Upgrades
from kubeception.endpoints import Network
from kubeception.errors import ApiError
from kubeception.kube.client import Api, Object
from kubeception.kube.kinds import KINDS
from kubeception.kube.lease import RENEW_S, Lease
from kubeception.pki.request import SIGNERS
from kubeception.render import join_records
from kubeception.render.cluster_controller import NAME
from kubeception.render.join_records import CLAIMS, RECORDS, NodeRecord
from kubeception.render.objects import NAMESPACE

log = logging.getLogger("kubeception.controller")

KIND = "CertificateSigningRequest"
# What the watch has missed is found by then.
LOOK_EVERY_S = 10.0
# So often all is read, although nothing has happened: somebody may have edited a record.
_READ_EVERY_S = 300.0
# After a request was decided, for whoever joined has a link address by then.
_READ_SOON_S = 20.0
_SWEEP_EVERY_S = 300.0
# Of a flood; who waits for a certificate goes in between.
_MOST_SWEPT = 500
_WATCH_S = 60
_REST_S = 1.0
_CONFLICT = 409


@dataclass(frozen=True)
class ControllerOptions:
    """Whom it believes to be the join service, and what no host is called and is in."""

    join_service: str
    reserved: Reserved
    networks: tuple[Network, ...]
    lease: str
    name: str


@dataclass
class Seen:
    """What this controller has seen by now."""

    issued: set[str] = field(default_factory=set)
    """The requests whose certificates' ids are in the records."""
    read_s: float | None = None
    """When it has read all that is known."""
    swept_s: float | None = None
    """When it has swept what joins leave behind."""


def run(api: Api, watching: Api, settings: ControllerOptions) -> None:
    """Do all of it until told to end; `watching` is a second client, for the watch alone."""
    lease = Lease(settings.lease, settings.name, namespace=NAMESPACE, manager=NAME)
    changed = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Thread(target=_watch, args=(watching, changed), daemon=True).start()
    log.info("waiting for certificate requests")
    was_leading, looked, problem, seen = False, 0.0, "", Seen()
    upgrades = Upgrades(lease)
    try:
        while True:
            is_leading = False
            try:
                is_leading = lease.hold(api)
                is_due = changed.is_set() or monotonic() - looked >= LOOK_EVERY_S
                if is_leading and (is_due or not was_leading):
                    seen = seen if was_leading else Seen()
                    changed.clear()
                    looked = monotonic()
                    decide(api, settings, lease, seen)
                if is_leading:
                    upgrades.look(api)
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


def decide(api: Api, settings: ControllerOptions, lease: Lease, seen: Seen) -> None:
    """Judge every request that waits, for as long as this controller leads.

    Raises:
        ApiError: the API can't be asked.
    """
    requests = api.list(KIND)
    waiting = [one for one in requests if _waits(one)]
    issued = list(knowledge.issued(requests))
    if waiting or seen.read_s is None or monotonic() - seen.read_s >= _READ_EVERY_S:
        seen.read_s = monotonic()
        known = knowledge.read(
            api,
            issued,
            join_service=settings.join_service,
            reserved=settings.reserved,
            networks=settings.networks,
        )
        if _answer(api, waiting, known, lease):
            seen.read_s += _READ_SOON_S - _READ_EVERY_S
            return  # who waits goes first; what is signed for them wakes us
    for signed in issued:
        if signed.request not in seen.issued and lease.hold(api):
            _learn(api, signed)
            seen.issued.add(signed.request)
    seen.issued &= {one.request for one in issued}
    if seen.swept_s is None or monotonic() - seen.swept_s >= _SWEEP_EVERY_S:
        seen.swept_s = monotonic()
        if not sweep(api, settings, lease, seen, now=datetime.now(UTC)):
            seen.swept_s = None


def sweep(
    api: Api, settings: ControllerOptions, lease: Lease, seen: Seen, *, now: datetime
) -> bool:
    """Remove what joins have left behind; return whether that was all of it.

    Raises:
        ApiError: the API can't be asked, or refuses.
    """
    found = Found(
        claims=api.list("ConfigMap", namespace=CLAIMS),
        records=api.list("ConfigMap", namespace=RECORDS),
        requests=api.list(KIND),
    )
    past = leftovers(found, join_service=settings.join_service, learnt=seen.issued, now=now)
    gone: Counter[str] = Counter()
    for one in islice(past, _MOST_SWEPT):
        if not lease.hold(api):
            return False
        api.delete(one.kind, one.name, namespace=one.namespace)
        gone[one.name.partition("-")[0] if one.namespace else "request"] += 1
    if gone:
        log.info("swept: %s", ", ".join(f"{gone[what]} {what}s" for what in sorted(gone)))
    return gone.total() < _MOST_SWEPT and not gone[join_records.TOKEN]  # their claims are next


def _answer(api: Api, waiting: Iterable[Object], known: Known, lease: Lease) -> bool:
    """Judge requests and carry the verdicts out; return whether any was decided."""
    verdicts = []
    for one in waiting:
        with _passed_over(one):
            if not lease.hold(api):
                return False
            verdict, known = _judged(api, one, known)
            verdicts.append((one, verdict))
    # Before they have their certificates, for they write from then on.
    lists.keep(api, known)
    _tell_of_links(api, known)
    for one, verdict in verdicts:
        with _passed_over(one):
            if not lease.hold(api):
                return False
            _carry_out(api, one, verdict)
    return any(isinstance(verdict, Approved | Denied) for _, verdict in verdicts)


@contextlib.contextmanager
def _passed_over(found: Object) -> Iterator[None]:
    """Go on with the next request where one can't be decided; not where no API answers."""
    try:
        yield
    except ApiError as error:
        if error.status == 0:
            raise
        log.warning("%s: %s", found["metadata"]["name"], error.message)
    except Exception:
        log.exception("%s: passed over", found["metadata"]["name"])


def _waits(found: Object) -> bool:
    return not any(conditions_of(found)) and found["spec"]["signerName"] in SIGNERS


def _learn(api: Api, issued: Issued) -> None:
    """Keep the id of a certificate that was signed with its node's record."""
    name = join_records.node_name(issued.node)
    found = api.get("ConfigMap", name, namespace=RECORDS)
    before = knowledge.record(found) if found else None
    if before and not before.removed and (record := with_issued(before, issued)) != before:
        values = join_records.from_node(record)["data"]
        learnt = {key: values[key] for key in ("credentials", "pending")}
        api.merge("ConfigMap", name, {"data": learnt}, namespace=RECORDS)


def _judged(api: Api, found: Object, known: Known) -> tuple[Decision, Known]:
    """Judge a request, and keep whose it is before it is approved."""
    now = datetime.now(UTC)
    verdict = judge(knowledge.asked(found), known, now)
    if isinstance(verdict, Approved) and verdict.record:
        known = _remember(api, verdict.record, known)
        if verdict.record.taken_over == timestamp.text(now):
            _tell_of_takeover(api, verdict.record)
    return verdict, known


def _carry_out(api: Api, found: Object, verdict: Decision) -> None:
    name, by = found["metadata"]["name"], found["spec"].get("username")
    if isinstance(verdict, Approved):
        api.approve(found, is_approved=True, reason="Known", message="kubeception approved it")
        log.info("%s by %s: approved", name, by)
    elif isinstance(verdict, Denied):
        api.approve(found, is_approved=False, reason=verdict.reason, message=verdict.message)
        log.warning("%s by %s: denied: %s", name, by, verdict.message)
        tell(api, _request(found), verdict.reason, verdict.message)
    elif isinstance(verdict, Held):
        # By a name of its own: it waits, and is told once.
        reason = Reason.UNKNOWN_CREDENTIAL
        tell(api, _request(found), reason, verdict.message, name=f"{name}.held")


def _remember(api: Api, record: NodeRecord, known: Known) -> Known:
    """Keep who a node is, before it gets a certificate: so nobody else gets one by its name.

    Raises:
        ApiError: among others 409 where the name was taken since it was judged.
    """
    if record == known.records.get(record.node):
        return known
    wanted = join_records.from_node(record)
    before = known.records.get(record.node) or known.removed.get(record.node)
    if before is None:
        api.create(wanted)
    else:
        name = wanted["metadata"]["name"]
        found = api.get("ConfigMap", name, namespace=RECORDS)
        if found is None or knowledge.record(found) != before:
            raise ApiError(_CONFLICT, "Conflict", f"the record of node {record.node} has changed")
        api.set_fields(found, {"/data": wanted["data"]})
    return replace(known, records={**known.records, record.node: record})


def _request(found: Object) -> Object:
    """Return a request as events are about one: what a list has found does not say what it is."""
    return {**found, "apiVersion": KINDS[KIND].api_version, "kind": KIND}


def _tell_of_takeover(api: Api, record: NodeRecord) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": record.node}}
    said = f"another host took it over with token {record.token}, while it was Ready"
    log.warning("node %s: %s", record.node, said)
    tell(api, node, Reason.TAKEN_OVER, said)


def _tell_of_links(api: Api, known: Known) -> None:
    for link, nodes in lists.shared(known).items():
        *others, last = nodes
        said = f"has the link address of {', '.join(others)} in the pod network: {link}"
        log.warning("node %s %s", last, said)
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": last}}
        tell(api, node, Reason.LINK_SHARED, said, name=f"{last}.link")


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
