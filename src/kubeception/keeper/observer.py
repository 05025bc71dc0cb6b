"""Look at the host, cheaply, again and again.

A healthy host costs one request through the door and one to etcd. The API is asked only when etcd
says that the hosted API server, the node or what is to last has changed, and while a rollout is on.
Certificates are read at the start and once an hour.
"""

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import repeat
from typing import Any

from kubeception import certificates, conditions, gather, losses, serving
from kubeception.conditions import LEASES, upgrades
from kubeception.conditions.reading import condition_of
from kubeception.config import cluster
from kubeception.diagnosis import firewall
from kubeception.endpoints import API_PORT, HOSTED_PORTS
from kubeception.errors import ApiError, KubeceptionError
from kubeception.etcd import space
from kubeception.etcd.space import Space
from kubeception.host import containers, door, files, kernel, lock, pause
from kubeception.host.door import DoorState
from kubeception.keeper import api_places
from kubeception.keeper.callers import Callers
from kubeception.keeper.errand import NO_ERRANDS
from kubeception.keeper.errand_watch import ErrandWatch, needed
from kubeception.keeper.host_observer import HostObserver, address_gone_by
from kubeception.keeper.own_node import is_to_reboot
from kubeception.keeper.refused import Refused
from kubeception.keeper.rollout import History, Rollout, Server
from kubeception.keeper.trouble import Trouble
from kubeception.keeper.verdict import LEASE_FREE_S, Observation
from kubeception.kept import default_roles, identity, revisions
from kubeception.kept.identity import Progress
from kubeception.kube import health
from kubeception.kube.health import HealthAnswer
from kubeception.kube.kinds import KINDS
from kubeception.render import (
    api_service,
    apiserver,
    cluster_settings,
    controllers,
    policies,
    revision,
)
from kubeception.render.objects import NAMESPACE
from kubeception.resources import node as nodes
from kubeception.resources.revision import daemonset
from kubeception.session import Session

log = logging.getLogger("kubeception.keeper")

# A server that has been up for so long listens, unless it is about to end.
STARTS_WITHIN_S = 15.0
# A certificate that is renewed has had weeks left.
CERTIFICATES_EVERY_S = 3600.0
PROGRESS_EVERY_S = 60.0
SPACE_EVERY_S = 10.0
ROLES_EVERY_S = 10.0
# What did not help may later, when somebody has deleted what takes the room.
FREE_EVERY_S = 60.0

_MANIFESTS = (apiserver.BOOTSTRAP_NAME, *(one.bootstrap_name for one in controllers.BOTH))
_LEASE_KEYS = tuple(f"/registry/leases/{NAMESPACE}/{lease}" for lease in LEASES)
_DAEMONSET_KEY = f"/registry/daemonsets/{NAMESPACE}/{apiserver.NAME}"
_SETTINGS_KEY = f"/registry/configmaps/{NAMESPACE}/{cluster_settings.NAME}"


class Observer:
    """Remembers since when things are as they are; only a change of it is told by looking twice."""

    def __init__(self, session: Session, node: str) -> None:
        self._session = session
        self._node = node
        self._history = History()
        self._callers = Callers(session, node)
        self._host = HostObserver(session, node)
        self._certificates_read_s: float | None = None
        self._own_certificate = self._own_age()
        self._belongings: tuple[object, ...] | None = None
        self._lost: str | None = None
        self._progress_noted_s: float | None = None
        self._space: Space | None = None
        self._space_read_s: float | None = None
        self._freed_s: float | None = None
        self._errand_watch = ErrandWatch(session)
        self._unanswered = ""
        self._refused = Refused()
        self.forget()

    def forget(self) -> None:
        """Start every count anew, as after a change of the host."""
        now = self._session.host.clock.monotonic()
        self._refused = self._refused.forgotten(now)
        self._lasting = dict(_lasting(self._session))
        self._answered_s = self._etcd_answered_s = now
        self._was_silent = False
        self._leases: dict[str, tuple[int, float]] = dict.fromkeys(LEASES, (-1, now))
        self._read: tuple[object, ...] = ()
        self._node_problem: str | None = None
        self._pods: str | None = None
        self._changed_place: str | None = None
        self._has_new_settings = self._is_to_reboot = False
        self._errands = NO_ERRANDS
        self._emulated = ""
        self._is_upgrade_over = False
        self._not_ready: str | None = None
        self._host.forget()
        self._rollout: Rollout | None = None
        self._expiring: str | None = None
        self._changed_roles: str | None = None
        self._roles_read_s: float | None = None

    def has_freed_space(self) -> None:
        """Remember that it was tried."""
        self._freed_s = self._session.host.clock.monotonic()
        self._space_read_s = None

    def has_restarted_the_kubelet(self) -> None:
        """Remember it."""
        self._host.has_restarted_the_kubelet()

    def trouble(self) -> Trouble | None:
        """Return what of the cluster's network does not work from here."""
        return self._host.trouble()

    def has_restored_the_network(self) -> None:
        """Remember it."""
        self._host.has_restored_the_network()

    def has_told(self, *, in_vain: bool) -> None:
        """Ask at once what the Node says now; where that was in vain, when that is another one."""
        self._errands = NO_ERRANDS
        if not in_vain:
            self._read = ()

    def observe(self) -> Observation:
        """Return what is to be seen now."""
        return self._host.with_pace(self._seen(), self._session.host.clock.monotonic())

    def _seen(self) -> Observation:
        session = self._session
        if said := pause.said(session.layout.keeper, datetime.now(UTC)):
            self.forget()  # what is silent meanwhile is a person's affair
            return Observation(paused=said)
        ca = session.layout.pki.ca.certificate
        answered = health.problem(API_PORT, ca) is None
        self._read_certificates(is_answered=answered)
        now = session.host.clock.monotonic()  # a question that is not answered takes its time
        self._was_silent |= not answered
        if answered:
            self._answered_s = now
        silent_s = now - self._answered_s
        manifests = session.layout.kubelet.manifests
        seen = Observation(
            locked=lock.holder(session.layout.lock),
            manifests=tuple(n for n in _MANIFESTS if (manifests / f"{n}.yaml").exists()),
            api_silent_s=silent_s,
            api_is_back=answered and self._was_silent,
            refusal=self._refusal(),
            is_unrecorded=not session.layout.member.exists(),
            expiring=self._expiring,
            moved=self._host.moved(now),
            trouble=self._host.trouble(),
        )
        if silent_s:
            with ThreadPoolExecutor() as pool:
                ports = HOSTED_PORTS
                answers = dict(zip(ports, pool.map(health.answer, ports, repeat(ca)), strict=True))
            seen = replace(
                seen,
                has_door=door.read() is not None,
                ready=tuple(port for port, said in answers.items() if said is HealthAnswer.READY),
                has_server=_has_server(session, answers.values()),
                is_unresponsive=HealthAnswer.NONE in answers.values(),
            )
        if silent_s or (self._rollout and self._rollout.others):
            seen = replace(seen, firewall=firewall.dropped_here(session))
        # Who flushes the door flushes all else: that is restored before anything is waited for.
        seen = replace(seen, pods=self._pods)
        seen = self._host.with_network(seen, now, at_once=self._was_silent)
        seen = self._host.with_orphans(seen, now)
        node_key = f"/registry/minions/{self._node}"
        try:
            server, node, shared, *rest = session.etcd.mod_revisions(
                *(_DAEMONSET_KEY, node_key, _SETTINGS_KEY, *_LEASE_KEYS), *self._lasting.values()
            )
            leases, held = rest[: len(_LEASE_KEYS)], rest[len(_LEASE_KEYS) :]
            self._note_progress(now)
            self._read_space(now)
            self._read_roles(now)
        except KubeceptionError as error:
            return replace(
                seen, etcd_problem=error.message, etcd_silent_s=now - self._etcd_answered_s
            )
        self._etcd_answered_s = now
        if answered and server and node:
            has = (files.changed_ns(session.layout.bundles), needed(session))
            self._ask((server, node, shared, *held, *has), now)
        still = self._still(leases, now)
        there = ((f"DaemonSet {apiserver.NAME}", server), *zip(self._lasting, held, strict=True))
        return replace(
            seen,
            stale_leases=still,
            released_leases=tuple(self._free(still)) if answered else (),
            space=self._space,
            may_free_space=self._freed_s is None or now - self._freed_s >= FREE_EVERY_S,
            changed_roles=self._changed_roles,
            refused=self._refused.lasting(now) if answered else None,
            is_refusal_due=self._refused.is_due(now),
            lost=next((what for what, at in there if not at), None),
            changed_place=self._changed_place,
            has_new_settings=self._has_new_settings,
            emulates=self._emulated if self._is_upgrade_over else None,
            is_to_reboot=self._is_to_reboot,
            errands=self._errands,
            node_problem=self._node_problem if node else f"Node {self._node} is gone",
            is_gone=not node,
            rollout=self._rollout,
            unready=self._host.unready(self._not_ready, now) if answered else None,
        )

    def _refusal(self) -> str | None:
        """Say what of the cluster is lost; read anew where a file of it is another one by now."""
        found = tuple(losses.signature(self._session))
        if found != self._belongings:
            self._belongings = found
            try:
                lost = losses.look(self._session)
            except KubeceptionError as error:
                self._lost = error.message
            else:
                self._lost = "; ".join(map(str, lost)) or None
        return self._lost

    def _note_progress(self, now: float) -> None:
        """Remember once in a while how far etcd's data go: older ones are told by that."""
        last = self._progress_noted_s
        if last is None or now - last >= PROGRESS_EVERY_S:
            self._progress_noted_s = now
            of, index = self._session.etcd.progress()
            with contextlib.suppress(KubeceptionError):  # a full disk is told by who needs it
                identity.note_progress(self._session.layout.progress, Progress(of.cluster, index))

    def _read_space(self, now: float) -> None:
        """Read once in a while how much room etcd has."""
        if self._space_read_s is None or now - self._space_read_s >= SPACE_EVERY_S:
            self._space_read_s = now
            self._space = space.look(self._session.etcd)

    def _read_roles(self, now: float) -> None:
        """Read once in a while whether the roles are whole by which the cluster lives."""
        if self._roles_read_s is None or now - self._roles_read_s >= ROLES_EVERY_S:
            self._roles_read_s = now
            at, etcd = self._session.layout.default_roles, self._session.etcd
            self._changed_roles = default_roles.problem(at, etcd)

    def _read_certificates(self, *, is_answered: bool) -> None:
        """Read them all once in a while; and go on with our own as soon as that is another one."""
        session, now = self._session, self._session.host.clock.monotonic()
        last = self._certificates_read_s
        if last is None or now - last >= CERTIFICATES_EVERY_S:
            self._certificates_read_s = now
            self._expiring = (
                certificates.expiring(session, self._node)
                or _broken_certificate(session)
                or (_needless_ca(session, self._node) if is_answered else None)
            )
        if (age := self._own_age()) != self._own_certificate:
            self._own_certificate = age
            session.hang_up()

    def _own_age(self) -> int:
        """Return when the certificate that we show the API was written, 0 for none."""
        own = self._session.client
        return files.changed_ns(own.certificate) if own else 0

    def _still(self, revisions_now: Sequence[int], now: float) -> tuple[tuple[str, float], ...]:
        """Return for how long each Lease has not moved in etcd; no clock of others is asked."""
        for lease, at in zip(LEASES, revisions_now, strict=True):
            if at != self._leases[lease][0]:
                self._leases[lease] = (at, now)
        return tuple((lease, now - since) for lease, (_, since) in self._leases.items())

    def _free(self, still: Iterable[tuple[str, float]]) -> Iterator[str]:
        """Yield the Leases that were let go and that nobody takes."""
        for lease, still_s in still:
            if still_s >= LEASE_FREE_S:
                try:
                    found = self._session.api.get("Lease", lease, namespace=NAMESPACE)
                except KubeceptionError:
                    return
                if found is not None and not found["spec"].get("holderIdentity"):
                    yield lease

    def _ask(self, changed: tuple[object, ...], now: float) -> None:
        """Ask the API for what etcd alone can't tell, where it may have changed."""
        is_on = self._rollout is not None and not self._rollout.is_settled
        # That an upgrade is over, nothing of this host's tells.
        is_waiting = is_on or self._errands.work or self._emulated
        if changed == self._read and not is_waiting:
            return
        try:
            self._node_problem = nodes.ControlPlaneNode(self._node).drift(self._session)
            self._has_new_settings = _has_new_settings(self._session)
            own = address_gone_by(self._session)
            self._changed_place = api_places.problem(self._session, self._node, own)
            self._emulated, self._is_upgrade_over = _emulated(self._session)
            found = self._session.api.get("Node", self._node)
            self._not_ready = conditions.unready(found, self._node)
            self._pods = conditions.range_of_pods(found) if found else None
            self._is_to_reboot = is_to_reboot(found, kernel.boot_id(self._session.host.proc))
            at = door.read()
            rollout = self._with_callers(_rollout(self._session, self._node, at), at)
            is_on_trial = rollout is not None and not rollout.is_settled
            node = found or {"metadata": {}}
            self._errands = self._errand_watch.look(node, is_on_trial=is_on_trial)
        except KubeceptionError as error:  # a moment later it may answer
            if error.message != self._unanswered:
                log.warning("the API can't be asked for what is to do: %s", error.message)
            self._unanswered = error.message
            if isinstance(error, ApiError) and error.status == 403:
                self._refused = self._refused.then(error.message, now)
            return
        self._read, self._unanswered = changed, ""
        self._refused = Refused()
        if rollout is not None:
            if not (rollout.newest and rollout.newest.answers):
                rollout = replace(rollout, slowness=self._host.slowness(now))
            self._history = self._history.then(rollout, now)
            rollout = self._history.tell(rollout, now)
        self._rollout = rollout

    def _with_callers(self, rollout: Rollout | None, at: DoorState | None) -> Rollout | None:
        if rollout is None or at is None:
            return rollout
        is_same = self._history.asked_for == rollout.asked
        is_shut = is_same and bool(self._history.shut_out)
        return self._callers.add(rollout, at, is_shut=is_shut)


def _lasting(session: Session) -> Iterator[tuple[str, str]]:
    """Yield what the cluster has had and nobody else makes again, with its key in etcd.

    Without the policies and their bindings, what runs on a worker may do what RBAC alone lets it;
    without the API's places, pods of workers don't reach it by its Service.
    """
    copy = cluster.read(session.layout.cluster)
    if copy:
        place = f"{api_service.IN}/{api_service.NAME}"
        yield f"Endpoints {place}", f"/registry/services/endpoints/{place}"
        yield f"EndpointSlice {place}", f"/registry/endpointslices/{place}"
    for name in policies.names(copy.settings) if copy else ():
        for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"):
            yield f"{kind} {name}", f"/registry/{KINDS[kind].plural}/{name}"


def _has_new_settings(session: Session) -> bool:
    """Tell whether the cluster goes by other settings than this host's copy of them, or by none."""
    copy = cluster.read(session.layout.cluster)
    try:
        found = session.api.get("ConfigMap", cluster_settings.NAME, namespace=NAMESPACE)
    except ApiError as error:
        if error.status != 403:
            raise
        return True  # a bootstrap gives the right to it
    if found is None or copy is None:
        return True
    try:
        return cluster.followed(cluster_settings.of(found), copy) != copy.settings
    except ValueError:  # of another version: bootstrap tells it, and goes by the copy
        return False


def _emulated(session: Session) -> tuple[str, bool]:
    """Return which minor the control plane passes for, and whether no upgrade needs that."""
    copy = cluster.read(session.layout.cluster)
    if copy is None or not copy.settings.emulates:
        return "", False
    release, emulated = copy.settings.release, copy.settings.emulates
    found, server = gather.settings(session), daemonset(session)
    # A bootstrap goes by what the cluster says; and one that was put back is of the minor before.
    is_told = found is not None and found.emulates == emulated
    image = revision.image_of(server["spec"]["template"]) if server else ""
    if not is_told or image != release.images.get(apiserver.NAME):
        return emulated, False
    return emulated, not upgrades.may_be_gone_back_from(session.api, release.kubernetes)


def _broken_certificate(session: Session) -> str | None:
    try:
        return certificates.broken(session)
    except KubeceptionError:  # no address to compare names with, for the moment
        return None


def _needless_ca(session: Session, node: str) -> str | None:
    try:
        return serving.may_be_one(session, node)
    except KubeceptionError:  # no API answers, for the moment
        return None


def _has_server(session: Session, answers: Iterable[HealthAnswer]) -> bool | None:
    """Tell whether a hosted API server may be expected to answer soon by itself.

    Not where no pod of one stands, nor where one that has run for a while listens no more: it was
    told to end. None where the runtime can't be asked.
    """
    try:
        socket = session.config.layout.containerd.socket
        found = containers.running(
            session.host, socket, labels=apiserver.LABELS, container=apiserver.NAME
        )
    except KubeceptionError:
        return None
    if found is None:
        return False
    if not found:  # the kubelet is about to start it anew
        return True
    age_s = session.host.clock.now().timestamp() - found[0].started_s
    return age_s < STARTS_WITHIN_S or set(answers) != {HealthAnswer.REFUSED}


def _rollout(session: Session, node: str, at: DoorState | None) -> Rollout | None:
    """Return the revisions of the hosted API server here, None where there is no DaemonSet."""
    found = daemonset(session)
    if found is None:
        return None
    template = found["spec"]["template"]
    own, others = _servers(session, node)
    notes = found["metadata"].get("annotations", {})
    return Rollout(
        wanted=revision.identity(template),
        port=revision.port_of(template),
        live=at.inside if at else 0,
        servers=tuple(own),
        elsewhere=tuple(others),
        proven_elsewhere=notes.get(apiserver.PROVEN_NOTE, ""),
        proven=tuple(one.proven.revision for one in revisions.kept(session.layout.revisions)),
        broken=_broken(session),
    )


def _broken(session: Session) -> str:
    found = revisions.broken(session.layout.revisions)
    return found.revision if found else ""


def _servers(session: Session, node: str) -> tuple[list[Server], list[Server]]:
    """Return the pods of the hosted API server on a node and on others, but for those that end."""
    by_hash = {
        one["metadata"]["labels"]["controller-revision-hash"]: revision.identity(
            _template_of(one["data"])
        )
        for one in session.api.list(
            "ControllerRevision", namespace=NAMESPACE, labels=apiserver.LABELS
        )
    }
    own: list[Server] = []
    others: list[Server] = []
    for pod in session.api.list("Pod", namespace=NAMESPACE, labels=apiserver.LABELS):
        if "deletionTimestamp" not in pod["metadata"]:
            is_own = pod["spec"].get("nodeName") == node
            (own if is_own else others).append(_server(session, pod, by_hash, is_own=is_own))
    return own, others


def _server(
    session: Session, pod: Mapping[str, Any], by_hash: Mapping[str, str], *, is_own: bool
) -> Server:
    labels = pod["metadata"]["labels"]
    port, ca = revision.port_of(dict(pod)), session.layout.pki.ca.certificate
    status = pod.get("status", {})
    # Another one may answer on the port that it wanted.
    is_running = any("running" in one["state"] for one in status.get("containerStatuses", []))
    return Server(
        pod=pod["metadata"]["name"],
        revision=by_hash.get(labels.get("controller-revision-hash", ""), ""),
        port=port,
        answers=is_own and is_running and not health.problem(port, ca),
        restarts=sum(one["restartCount"] for one in status.get("containerStatuses", [])),
        is_marked=condition_of(dict(pod), apiserver.DOOR_GATE),
    )


def _template_of(data: Mapping[str, Any]) -> dict[str, Any]:
    template = dict(data["spec"]["template"])
    template.pop("$patch", None)
    return template
