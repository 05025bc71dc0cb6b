"""What holds of this control plane and what doesn't, by the conditions that bootstrap waits on."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta

from kubeception import __version__, certificates, conditions, resolver, timestamp
from kubeception.admin import checks, nodes, upgrades
from kubeception.admin.lately import Lately
from kubeception.conditions import Condition, admission, aggregated, webhooks
from kubeception.errors import ApiError, KubeceptionError
from kubeception.etcd import space
from kubeception.facts import Facts, Membership
from kubeception.gather import changes, gather, worker
from kubeception.host import overload
from kubeception.keeper import record
from kubeception.kept import membership, revisions, snapshots
from kubeception.kube import health
from kubeception.render import keeper
from kubeception.session import Session

# One that expires sooner deserves a person's attention.
SOON_DAYS = 30

_BEHIND_THE_DOOR = {"Leases", "cluster", "nodes"}
# Each look at these costs others: every node's kubelet, and the more the more nodes there are.
_OF_OTHERS = {"nodes"}
# So long a watch goes by what these said. A trial of admission also calls everybody's webhooks.
GOOD_FOR_S = 10.0


@dataclass(frozen=True)
class CheckResult:
    """One line of the status; `problem` is None where all is well."""

    group: str
    what: str
    problem: str | None


@dataclass(frozen=True)
class Versions:
    """What runs here, each by its own word; None for what doesn't answer.

    `kubernetes` is the API server's that answers behind the door.
    """

    kubernetes: str | None
    kubelet: str | None
    etcd: str | None
    containerd: str | None
    kubeception: str = __version__


@dataclass(frozen=True)
class FirstToExpire:
    """The certificate of this host that expires first, CAs included; None where there is none.

    `days` are whole ones, below zero where it has expired.
    """

    first: str | None = None
    expires: str | None = None
    days: int | None = None

    @property
    def is_near(self) -> bool:
        """Whether the first one expires soon, or has."""
        return self.days is not None and self.days < SOON_DAYS


@dataclass(frozen=True)
class Revisions:
    """Of the hosted API server: the one proven last on this host, and the one put back last.

    Each has its moment (UTC); None where there is none.
    """

    proven: str | None = None
    proven_since: str | None = None
    put_back: str | None = None
    put_back_since: str | None = None
    because: str | None = None


@dataclass(frozen=True)
class Snapshots:
    """Of etcd, on this host: the last one and its moment (UTC), and how many there are.

    `problem` is why the keeper's last try was none.
    """

    last: str | None = None
    taken: str | None = None
    kept: int = 0
    problem: str | None = None


@dataclass(frozen=True)
class Status:
    """The node, the port that its door leads to (0 for none), and every check's outcome.

    `keeper` is the keeper's last verdict, `opened` are webhooks that the API no longer waits for,
    `notices` say what has changed of the host and changes nothing by itself.
    `worker_of` is the API server that a worker goes to; a worker has no door, keeper or revisions.
    """

    node: str
    address: str
    door: int
    keeper: str
    versions: Versions
    certificates: FirstToExpire
    revisions: Revisions
    opened: tuple[str, ...]
    checks: tuple[CheckResult, ...]
    worker_of: str | None = None
    notices: tuple[str, ...] = ()
    snapshots: Snapshots = Snapshots()

    @property
    def healthy(self) -> bool:
        """Whether all of it holds."""
        return not any(check.problem for check in self.checks)


def look(session: Session, lately: Lately | None = None) -> Status:
    """Ask everything once, the lower layers first; but for what others said lately, in a watch."""
    lately = lately or Lately()
    now_s = session.host.clock.monotonic()
    with ThreadPoolExecutor(max_workers=1) as pool:
        # A server that says nothing takes its time, as all else does.
        asked = pool.submit(lately.ask, "resolver", lambda: resolver.silence(session), now_s=now_s)
        if member := membership.read(session.layout.membership):
            return _of_worker(session, member, lately, asked.result)
        return _of_control_plane(session, lately, asked.result)


def _of_control_plane(
    session: Session, lately: Lately, of_servers: Callable[[], str | None]
) -> Status:
    facts = gather(session)
    silence = health.problem(session.api_port, session.layout.pki.ca.certificate)
    if silence:
        lately.forget()  # what is there afterwards may be another cluster's state
    now_s = session.host.clock.monotonic()

    def told(name: str, lines: Callable[[], Iterator[str]]) -> tuple[str, ...]:
        return () if silence else lately.ask(name, lambda: _told(lines()), now_s=now_s)

    wanted = checks.of_control_plane(session.config, facts, lately)
    of_cluster = told("notices", lambda: _of_cluster(session, facts.host.node))
    results = tuple(_carry_out(session, wanted, silence, lately))
    return Status(
        node=facts.host.node,
        address=str(facts.host.address),
        door=facts.host.door,
        keeper=_verdict(session),
        versions=_versions(session, facts.host.node, silence),
        certificates=_first_to_expire(session, facts),
        revisions=_revisions(session),
        opened=told("opened", lambda: webhooks.opened(session)),
        notices=(*_of_host(session, of_servers), *_told(_of_space(session)), *of_cluster),
        checks=results,
        snapshots=_snapshots(session),
    )


def _of_worker(
    session: Session, member: Membership, lately: Lately, of_servers: Callable[[], str | None]
) -> Status:
    """Ask what a worker can tell, and its API as its own kubelet."""
    facts = worker(session)
    results = tuple(_carry_out(session, checks.of_worker(facts), None, lately))
    is_silent = any(check.problem for check in results if check.group in _BEHIND_THE_DOOR)
    told = {} if is_silent else _node_info(session, facts.host.node)
    return Status(
        node=facts.host.node,
        address=str(facts.host.address),
        door=0,
        keeper=_verdict(session),
        versions=Versions(
            kubernetes=None,
            kubelet=_plain(told.get("kubeletVersion")),
            etcd=None,
            containerd=_plain(told.get("containerRuntimeVersion")),
        ),
        certificates=_first_to_expire(session, facts),
        revisions=Revisions(),
        opened=(),
        notices=tuple(_of_host(session, of_servers)),
        checks=results,
        worker_of=member.apiserver,
    )


def _carry_out(
    session: Session,
    wanted: Iterable[tuple[str, Condition]],
    silence: str | None,
    lately: Lately,
) -> Iterator[CheckResult]:
    """Check every condition; an API that is silent is not asked again, so that a look is quick."""
    for group, condition in wanted:
        problem = silence if group in _BEHIND_THE_DOOR else None
        if problem is None:
            try:
                problem = _problem(session, group, condition, lately)
            except ApiError as error:
                problem = silence = error.message
            except KubeceptionError as error:
                problem = error.message
        yield CheckResult(group, condition.what, problem)


def _problem(session: Session, group: str, condition: Condition, lately: Lately) -> str | None:
    if group not in _OF_OTHERS:
        return condition.problem(session)
    now_s = session.host.clock.monotonic()
    return lately.ask(condition.what, lambda: condition.problem(session), now_s=now_s)


def _verdict(session: Session) -> str:
    """Return the keeper's last word, told as one of the past where it doesn't run."""
    last = record.read(session.layout.keeper)
    said = f"{last.action}: {last.why}, since {last.since}" if last else "has not spoken yet"
    try:
        state = session.host.systemd.state(keeper.UNIT).active
    except KubeceptionError:  # the check of its unit tells
        return said
    if state == "active":
        return said
    return f"is {state}; its last word was {said}" if last else f"is {state}"


def _revisions(session: Session) -> Revisions:
    folder = session.layout.revisions
    told = Revisions()
    for one in revisions.kept(folder)[:1]:
        told = replace(told, proven=one.proven.revision, proven_since=one.since)
    if broken := revisions.broken(folder):
        told = replace(
            told, put_back=broken.revision, put_back_since=broken.since, because=broken.why
        )
    return told


def _of_host(session: Session, of_servers: Callable[[], str | None]) -> Iterator[str]:
    if busy := overload.told():
        yield busy
    if silence := of_servers():
        yield silence
    yield from (what for what, _ in changes(session))


def _of_space(session: Session) -> Iterator[str]:
    """Yield that etcd will take no writes any more, before that is so."""
    if (found := space.look(session.etcd)).is_near and not found.is_full:
        yield f"{found}; {space.HINT}"


def _of_cluster(session: Session, here: str) -> Iterator[str]:
    yield from conditions.absences(session, here=here)
    yield from nodes.notices(session)
    yield from upgrades.notices(session)
    yield from webhooks.notices(session)
    yield from aggregated.notices(session)
    yield from admission.refusals(session)


def _snapshots(session: Session) -> Snapshots:
    there = snapshots.look(session.layout.snapshots)
    told = Snapshots(kept=len(there), problem=record.snapshot_problem(session.layout.keeper))
    if not there:
        return told
    return replace(told, last=there[0].name, taken=timestamp.text(there[0].taken))


def _told(lines: Iterator[str]) -> tuple[str, ...]:
    """Return lines that the API is asked for as they are taken, up to where it doesn't answer."""
    told: list[str] = []
    with contextlib.suppress(KubeceptionError):
        told.extend(lines)  # what came before a failure stays
    return tuple(told)


def _versions(session: Session, node: str, silence: str | None) -> Versions:
    etcd = None
    with contextlib.suppress(KubeceptionError):
        etcd = session.etcd.version()
    told = {} if silence else _node_info(session, node)
    ca = session.layout.pki.ca.certificate
    return Versions(
        kubernetes=None if silence else _plain(health.version(session.api_port, ca)),
        kubelet=_plain(told.get("kubeletVersion")),
        etcd=_plain(etcd),
        containerd=_plain(told.get("containerRuntimeVersion")),
    )


def _plain(version: str | None) -> str | None:
    return version and version.removeprefix("containerd://").removeprefix("v")


def _node_info(session: Session, node: str) -> dict[str, str]:
    """Return what the kubelet says of itself, nothing where it hasn't said anything yet."""
    try:
        found = session.api.get("Node", node) or {}
    except KubeceptionError:
        return {}
    told: dict[str, str] = found.get("status", {}).get("nodeInfo", {})
    return told


def _first_to_expire(session: Session, facts: Facts) -> FirstToExpire:
    until = certificates.until(session, facts.host.node)
    if not until:
        return FirstToExpire()
    first = min(until, key=lambda path: until[path])
    left = until[first] - session.host.clock.now()
    return FirstToExpire(str(first), timestamp.text(until[first]), left // timedelta(days=1))
