"""The table of contents: what each command does, as phases in order."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path

from kubeception import (
    authorities,
    backups,
    certificates,
    conditions,
    losses,
    preflight,
    restoring,
    timestamp,
)
from kubeception.backups import Opened
from kubeception.engine import Change, NotPlanned, Phase, Preview, Summary, carry_out, dry_run
from kubeception.errors import Hopeless, KubeceptionError, PreflightError, UnitFailed, WaitTimeout
from kubeception.etcd import damage
from kubeception.facts import OF_DATA, Accept, Facts
from kubeception.gather import address, gather, node_name, worker
from kubeception.host import files, kernel
from kubeception.kept import membership
from kubeception.kept.snapshots import Snapshot
from kubeception.phases.addons import ADDONS
from kubeception.phases.bootstrap_plane import (
    BOOTSTRAP_API,
    BOOTSTRAP_CA,
    BOOTSTRAP_CONTROLLERS,
    BOOTSTRAP_DOOR,
    BOOTSTRAP_START,
    FIRST_API,
    LEADERS,
)
from kubeception.phases.control_plane import CARRIED, CONTROL_PLANE, NEWER_API
from kubeception.phases.default_roles import COMPLETE_ROLES, KNOWN_ROLES
from kubeception.phases.etcd import ETCD, MEMBER
from kubeception.phases.giving_up import giving_up
from kubeception.phases.handover import (
    BEHIND_THE_DOOR,
    HANDOVER,
    HOSTED_CONTROLLERS,
    NEWER_HANDOVER,
    NEWER_STABILITY,
    RETIRE_API,
    RETIRE_CONTROLLERS,
    STABILITY,
)
from kubeception.phases.join import WORKER_KUBELET, WORKER_SERVING, credential
from kubeception.phases.keeper import BOOT, KEEPER
from kubeception.phases.kernel import KERNEL
from kubeception.phases.kubelet import KUBELET
from kubeception.phases.links import LINKS
from kubeception.phases.node import MARKED, REGISTERED
from kubeception.phases.pki import PKI
from kubeception.phases.programs import PROGRAMS
from kubeception.phases.pruned import PRUNED
from kubeception.phases.renew import EXPIRED, REREAD, renewed
from kubeception.phases.reset import phases as undoing
from kubeception.phases.revision import PROVEN_REVISION
from kubeception.phases.runtime import RUNTIME
from kubeception.phases.serving import SERVING
from kubeception.phases.settings import COPY, SETTINGS
from kubeception.render import etcd
from kubeception.report import Steps
from kubeception.resources.credential import (
    RequestCertificate,
    credential_problem,
    led_elsewhere,
    moved,
)
from kubeception.session import Session

log = logging.getLogger("kubeception.k8s")

BOOTSTRAP: tuple[Phase, ...] = (
    EXPIRED,
    FIRST_API,
    PKI,
    KERNEL,
    LINKS,
    RUNTIME,
    ETCD,
    MEMBER,
    KUBELET,
    REREAD,
    BOOTSTRAP_START,
    BOOTSTRAP_API,
    BOOTSTRAP_CA,
    BOOTSTRAP_DOOR,
    COMPLETE_ROLES,
    LEADERS,
    BOOTSTRAP_CONTROLLERS,
    SETTINGS,
    CARRIED,
    NEWER_API,
    NEWER_STABILITY,
    NEWER_HANDOVER,
    CONTROL_PLANE,
    COPY,
    REGISTERED,
    MARKED,
    HOSTED_CONTROLLERS,
    RETIRE_CONTROLLERS,
    STABILITY,
    HANDOVER,
    BEHIND_THE_DOOR,
    KNOWN_ROLES,
    RETIRE_API,
    KEEPER,
    PRUNED,
    ADDONS,
    SERVING,
    # A kubelet is never newer than its API server.
    PROGRAMS,
)

# The same, but a revision that does not serve gives way to the last one that did.
_AFTER_LEADERS = BOOTSTRAP.index(LEADERS) + 1
RECOVER: tuple[Phase, ...] = (
    *BOOTSTRAP[:_AFTER_LEADERS],
    PROVEN_REVISION,
    *BOOTSTRAP[_AFTER_LEADERS:],
)


def joining(ask: RequestCertificate | None) -> tuple[Phase, ...]:
    """Return the phases of a worker; without an `ask` it has to have joined already."""
    return (
        *(KERNEL, LINKS, RUNTIME, credential(ask), WORKER_KUBELET, COPY, KEEPER),
        *(WORKER_SERVING, PROGRAMS),
    )


class Source(StrEnum):
    """Where a control plane can be recovered from, the best first."""

    API = "api"
    REVISIONS = "revisions"
    ETCD = "etcd"


WHAT_THEY_ARE = {
    Source.API: "live API server",
    Source.REVISIONS: "kept revision of the API server, with etcd",
    Source.ETCD: "etcd alone, through a bootstrap API server",
}


def bootstrap(session: Session, *, rebuild: bool = False, source: Path | None = None) -> Summary:
    """Make this host's control plane run inside the cluster, whatever state it is in now.

    A configuration that came from `source` becomes the host's own once all is done, so that
    `status`, the keeper and later runs go by it too; the one before is kept beside it.

    Raises:
        PreflightError: something would surely break; nothing has been changed.
        Locked: somebody else is changing this host.
        WaitTimeout: a step did not come to its end; what it waited for is named.
    """
    if not kernel.is_root():
        preflight.require(session, rebuild=rebuild)  # nobody else may take the lock
    facts = partial(gather, session, rebuild=rebuild)
    by_keeper = not session.is_attended
    by = "keeper" if by_keeper else "bootstrap"
    with session.locked(by, by_keeper=by_keeper), Steps(log) as steps:
        with steps.step("preflight", "looking for problems", quiet=True):
            authorities.put_all_back(session)
            _require(session, rebuild=rebuild)
        if given_up := losses.accepted(session):
            carry_out(giving_up(given_up), session, gather=facts, steps=steps)
            losses.accept(session)
        with _keeping(source, session.layout.config):
            done = _carry_out(BOOTSTRAP, session, facts=facts, steps=steps)
        for line in conditions.absences(session, here=node_name(session)):
            log.warning("%s", line)
        return done


def _require(session: Session, *, rebuild: bool = False, worker: bool = False) -> None:
    """Stop at what would surely break, if somebody is there to mend that first."""
    try:
        preflight.require(session, rebuild=rebuild, worker=worker)
    except PreflightError as error:
        if session.is_attended or error.is_final:
            raise
        for problem in error.problems:
            log.warning("%s", problem)


DryRun = tuple[list[preflight.Finding], Preview]


def preview_bootstrap(
    session: Session, *, rebuild: bool = False, source: Path | None = None
) -> DryRun:
    """Return the problems of this host, and what bootstrap would change; changes nothing."""
    found = preflight.look(session, rebuild=rebuild)
    given_up = losses.accepted(session)
    phases = giving_up(given_up) if given_up else BOOTSTRAP
    preview = dry_run(phases, session, gather=partial(gather, session, rebuild=rebuild))
    if given_up:
        why = f"{', '.join(sorted(given_up))} has to be given up first"
        preview.not_planned.append(NotPlanned("accept", ("every phase",), why))
    return found, _with_config(preview, source, session)


def _carry_out(
    phases: Sequence[Phase], session: Session, *, facts: Callable[[], Facts], steps: Steps
) -> Summary:
    try:
        return carry_out(phases, session, gather=facts, steps=steps)
    except (WaitTimeout, Hopeless) as error:
        if steps.last in {HOSTED_CONTROLLERS.name, RETIRE_CONTROLLERS.name}:
            # Nobody leads: a cluster without controllers could not even repair itself.
            log.warning("%s; putting the bootstrap ones back", error.message)
            anew = partial(gather, session, rebuild=True)
            carry_out([BOOTSTRAP_CONTROLLERS], session, gather=anew, steps=steps)
        raise
    except UnitFailed as error:
        words = damage.said(error.last_words) if error.unit == etcd.UNIT else None
        if words is None:
            raise
        at = session.config.layout.etcd.data
        raise KubeceptionError(
            f"{at}: etcd can't read its data, which are left as they are: {words}",
            hint=f"{losses.way_back(session) or 'put a backup of the folder back'}; or begin anew, "
            f"which gives up all that the cluster knew: systemctl stop {etcd.UNIT} && "
            f"mv {at} {at}.damaged && kubeception bootstrap --accept {Accept.EMPTY_ETCD}",
            last_words=error.last_words,
        ) from error


def recover(session: Session, *, source: Source | None = None) -> tuple[Source, Summary]:
    """Bring the control plane back by hand, from the best source there is or from the one given.

    Returns what it used.

    Raises:
        KubeceptionError: there is nothing of that source.
        PreflightError: something of this host's cluster is lost, or another one's.
        Locked: somebody else is changing this host.
        WaitTimeout: a step did not come to its end.
    """
    with session.locked("recover", by_keeper=False), Steps(log) as steps:
        authorities.put_all_back(session)
        losses.require(session)
        used = _source(gather(session), source)
        log.info("recovering from %s", WHAT_THEY_ARE[used])

        def facts() -> Facts:
            found = gather(session, rebuild=used is not Source.API)
            return found.without_revision() if used is Source.ETCD else found

        return used, _carry_out(RECOVER, session, facts=facts, steps=steps)


def restore(session: Session, snapshot: Snapshot, *, accepted: str | None = None) -> Summary:
    """Give this host's cluster back as a snapshot has it; what it was since is put aside.

    `accepted` is whose the snapshot is, where a person restores another cluster's.

    Raises:
        PreflightError: the snapshot is damaged, or another cluster's, or a CA is lost.
        KubeceptionError: there is no room for it; nothing has been changed.
        Locked: somebody else is changing this host.
        WaitTimeout: a step did not come to its end.
    """
    with session.locked("restore", by_keeper=False), Steps(log) as steps:
        authorities.put_all_back(session)
        losses.refuse(losses.of_keys(session), session)
        restoring.require(session, snapshot, accepted=accepted)
        return _restore(session, snapshot, steps)


def restore_backup(session: Session, backup: Opened) -> Summary:
    """Make this host the control plane of a backup's cluster, as it was then.

    Raises:
        PreflightError: this host has another cluster's keys, or something would surely break.
        KubeceptionError: there is no room for it.
        Locked: somebody else is changing this host.
        WaitTimeout: a step did not come to its end.
    """
    with session.locked("restore", by_keeper=False), Steps(log) as steps:
        backups.require_room_for(session, backup)
        restoring.require(session, backup.snapshot, ours=backup.authority)
        if backups.is_fresh(session.host):
            _require(session)
        backups.place(session, backup)
        losses.refuse(losses.of_keys(session), session)
        return _restore(session, backup.snapshot, steps)


def _restore(session: Session, snapshot: Snapshot, steps: Steps) -> Summary:
    facts = partial(gather, session, rebuild=True)
    host = facts().host
    prepared = restoring.prepare(session, snapshot, host)
    carry_out(giving_up(OF_DATA), session, gather=facts, steps=steps)
    restoring.put_in_place(session, prepared, host)
    taken = timestamp.text(snapshot.taken)
    log.info("etcd has what it had at %s, as cluster %s", taken, prepared.of.cluster)
    return _carry_out(RECOVER, session, facts=facts, steps=steps)


def _source(facts: Facts, asked: Source | None) -> Source:
    """Return what to recover from."""
    there = {
        Source.API: not facts.needs_api,
        Source.REVISIONS: facts.host.proven is not None,
        Source.ETCD: True,
    }
    if asked is not None and not there[asked]:
        raise KubeceptionError(
            f"there is no {WHAT_THEY_ARE[asked]} to recover from", hint="leave --from away"
        )
    return asked or next(source for source, is_there in there.items() if is_there)


def has_to_join(session: Session) -> str | None:
    """Say that this host has no good credential as a worker, or None."""
    problem = credential_problem(session, node_name(session))
    if problem and session.layout.membership.exists():
        return f"this host has to join again, its credential {problem}"
    return "this host has not joined yet" if problem else None


def joins_again(session: Session, service: str) -> bool:
    """Tell whether this host, or the API where it is to ask, has another address than before."""
    return bool(moved(session, address(session)) or led_elsewhere(session, service))


def join(
    session: Session, *, ask: RequestCertificate | None, source: Path | None = None
) -> Summary:
    """Make this host a worker of the cluster that `ask` asks, or mend the one that it is.

    Raises:
        PreflightError: something would surely break; nothing has been changed.
        Locked: somebody else is changing this host.
        JoinRefused: the cluster does not take it in.
        WaitTimeout: a step did not come to its end.
    """
    by_keeper = not session.is_attended
    by = "keeper" if by_keeper else "join"
    with session.locked(by, by_keeper=by_keeper), Steps(log) as steps:
        with steps.step("preflight", "looking for problems", quiet=True):
            _require(session, worker=True)
        with _keeping(source, session.layout.config):
            return carry_out(joining(ask), session, gather=partial(worker, session), steps=steps)


def preview_join(session: Session, *, source: Path | None = None) -> DryRun:
    """Return the problems of this host, and what can be told of a join without asking for it."""
    found = preflight.look(session, worker=True)
    preview = dry_run(joining(None), session, gather=partial(worker, session))
    if has_to_join(session):
        why = "the cluster says what it needs when this host joins"
        preview.not_planned.append(NotPlanned(WORKER_KUBELET.name, ("kubelet",), why))
    return found, _with_config(preview, source, session)


def reset(session: Session, *, with_etcd: bool = False, with_pki: bool = False) -> Summary:
    """Remove what bootstrap or join made of this host; etcd and the CAs only if asked.

    Raises:
        Locked: somebody else is changing this host.
    """
    phases, facts = _undoing(session, etcds=with_etcd, pkis=with_pki)
    with session.locked("reset", by_keeper=False), Steps(log) as steps:
        return carry_out(phases, session, gather=facts, steps=steps)


def preview_reset(session: Session, *, with_etcd: bool = False, with_pki: bool = False) -> Preview:
    """Return what reset would remove; changes nothing."""
    phases, facts = _undoing(session, etcds=with_etcd, pkis=with_pki)
    return dry_run(phases, session, gather=facts)


def _undoing(
    session: Session, *, etcds: bool, pkis: bool
) -> tuple[tuple[Phase, ...], Callable[[], Facts]]:
    """Return what undoes the bootstrap or the join of this host, and what reads its facts."""
    is_worker = session.layout.membership.exists() or session.layout.kubelet.join_key.exists()
    done = joining(None) if is_worker else BOOTSTRAP
    phases = tuple(undoing(done, etcds=etcds, pkis=pkis and not is_worker))
    return phases, partial(worker, session) if is_worker else partial(gather, session, rebuild=True)


def renew(session: Session, *, asked: frozenset[str]) -> Summary:
    """Issue leaves anew: those asked for by name, else those that have little time left.

    Raises:
        KubeceptionError: the key of a CA is not here; nothing was renewed that was asked for.
        PreflightError: this host is a worker, or in no cluster.
        Locked: somebody else is changing this host.
    """
    if membership.read(session.layout.membership):
        raise PreflightError(
            ["this host is a worker: its kubelet renews its certificates before they expire"],
            hint="if they have: kubeception token create --rejoin NAME, on a control-plane host",
        )
    session.require_control_plane()
    with session.locked("certs renew", by_keeper=False), Steps(log) as steps:
        if problems := certificates.not_renewable(session, asked):
            raise KubeceptionError("\n".join(problems), hint="do it on a control-plane host")
        losses.refuse(losses.of_keys(session), session)
        return carry_out(renewed(asked), session, gather=partial(gather, session), steps=steps)


def boot(session: Session) -> Summary:
    """After a boot, have the kubelet start with a bootstrap API server; bootstrap does the rest.

    What has expired while the host was off is renewed first: nobody could reach that server.
    """
    with session.locked("keeper, at boot", by_keeper=True), Steps(log) as steps:
        # What is signed by a CA that isn't this host's would be of no use.
        phases = [BOOT] if any(losses.of_keys(session)) else [EXPIRED, BOOT]
        return carry_out(phases, session, gather=partial(gather, session), steps=steps)


@contextlib.contextmanager
def _keeping(source: Path | None, config: Path) -> Iterator[None]:
    """Have a configuration become the host's own when the block has come to its end.

    One that has none gets it before: what failed is then gone on with, or reset, by the same.
    """
    if source is not None and not config.exists():
        files.write(config, source.read_text())
        log.info("%s is now the host's configuration, as %s", source, config)
    yield
    if source is None or not _differs(source, config):
        return
    previous, mode = config.with_name(f"{config.name}.previous"), files.mode_of(config)
    files.write(previous, config.read_bytes(), mode=mode)
    files.write(config, source.read_text(), mode=mode)
    log.warning(
        "%s is now the host's configuration, as %s; the one before is %s", source, config, previous
    )


def _differs(source: Path, config: Path) -> bool:
    return not config.exists() or config.read_text() != source.read_text()


def _with_config(preview: Preview, source: Path | None, session: Session) -> Preview:
    """Return a preview that says, too, whether the host's configuration becomes another one."""
    if source is not None and _differs(source, session.layout.config):
        thing = str(session.config.layout.config)
        preview.changes.insert(0, Change("config", thing, f"differs from {source}"))
    return preview
