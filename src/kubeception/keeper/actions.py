"""What the keeper does itself, each under the host's lock; all else it leaves to bootstrap.

Objects that all hosts share are changed, and revisions proven, only by whoever holds the keepers'
Lease.
"""

import contextlib
import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager

from kubeception import authorities, conditions, host_network, timestamp
from kubeception.errors import KubeceptionError
from kubeception.etcd import space
from kubeception.facts import Proven
from kubeception.gather import gather
from kubeception.host import crictl
from kubeception.keeper import errand_watch, release
from kubeception.keeper.errand import Asked
from kubeception.keeper.rollout import Rollout
from kubeception.keeper.trouble import Trouble
from kubeception.kept import revisions
from kubeception.kube.client import KEEPER, Object
from kubeception.kube.lease import Lease
from kubeception.render import apiserver, containerd, keeper, kubelet, objects, revision
from kubeception.render.cluster_upgrade import Errand
from kubeception.render.objects import NAMESPACE
from kubeception.resources.door import Door
from kubeception.resources.door_gate import DoorGate
from kubeception.resources.hung_server import NoHungServer
from kubeception.resources.no_orphans import NoOrphans
from kubeception.resources.revision import Revision, daemonset, editor, told
from kubeception.session import Session

log = logging.getLogger("kubeception.keeper")

LEASE_DURATION_S = 60.0


def lease_of(session: Session, node: str) -> Lease:
    """Return the keepers' Lease as this host's keeper sees it; each act writes it anew."""
    return Lease(
        keeper.LEASE,
        node,
        namespace=NAMESPACE,
        manager=KEEPER,
        duration_s=LEASE_DURATION_S,
        renew_s=0,
        now=session.host.clock.now,
        monotonic=session.host.clock.monotonic,
    )


def turn_door(session: Session, *, port: int, why: str) -> None:
    """Have the door lead to the hosted API server on a port; build one that is gone."""
    with _locked(session, why):
        facts = gather(session)
        wanted = Door(port, facts.host.address, session.config.net.apiserver_ip)
        if wanted.drift(session):
            wanted.apply(session)


def kill(session: Session) -> None:
    """Kill an API server that takes connections and answers none."""
    with _locked(session, "killing what hangs"):
        NoHungServer().apply(session)


def free_space(session: Session) -> None:
    """Have etcd take writes again, or have room before it takes none."""
    with _locked(session, "freeing etcd's space"):
        log.info("%s now", space.free(session.etcd))


def restore_network(session: Session, due: Collection[str], pods: str | None) -> None:
    """Set the kernel's values, and have those write their rules anew who keep them."""
    with _locked(session, "restoring the network"):
        for one, _ in host_network.drifted(host_network.look(session, pods)):
            if str(one) in due:
                one.apply(session)


def end_orphans(session: Session) -> None:
    """Kill processes of containers that the runtime has lost."""
    with _locked(session, "ending what the runtime has lost"):
        NoOrphans().apply(session)


def restart_kubelet(session: Session) -> None:
    """Restart the kubelet, and before it a runtime that hangs.

    Who hangs would not end when it is asked to, so it is killed.
    """
    with _locked(session, "restarting the kubelet"):
        socket = session.config.layout.containerd.socket
        if crictl.problem(session.host, socket) == crictl.HANGS:
            log.warning("keeper: restarting %s, too: %s", containerd.UNIT, crictl.HANGS)
            _restart(session, containerd.UNIT)
        _restart(session, kubelet.UNIT)


def _restart(session: Session, unit: str) -> None:
    systemd = session.host.systemd
    if systemd.state(unit).active == "active":
        systemd.kill(unit)
    systemd.restart(unit)


def tell_of_the_network(
    session: Session, node: str, trouble: Trouble | None, *, is_new: bool = True
) -> None:
    """Have a worker's Node say what of the cluster's network does not work there, or that all does.

    Unless it `is_new`, since when it is so stays as it was.
    """
    now = timestamp.text(session.host.clock.now())
    said = {
        "type": conditions.NETWORK_PROBLEM,
        "status": "True" if trouble else "False",
        "reason": trouble.reason if trouble else "NetworkWorks",
        "message": str(trouble) if trouble else conditions.TRIED,
        "lastHeartbeatTime": now,
        **({"lastTransitionTime": now} if is_new else {}),
    }
    session.api.merge("Node", node, {"status": {"conditions": [said]}}, status=True)


def reboot(session: Session) -> None:
    """Have the host reboot; asked twice it goes down once."""
    with _locked(session, "rebooting"):
        session.host.systemd.reboot()


def run_errand(session: Session, wanted: Asked) -> None:
    """Have a unit of its own do what this host's Node asks: the keeper may end on the way."""
    with _locked(session, f"beginning {wanted.unit}"):
        if wanted.errand is Errand.RELEASE:  # what was put back once is tried again
            revisions.forget_broken(session.layout.revisions)
        said = f"kubeception: {wanted.what}, as ClusterUpgrade {wanted.run} asks"
        commands = errand_watch.commands(session, wanted)
        session.host.systemd.run_apart(wanted.unit, said, *commands)


def prepare(session: Session, bundle: str) -> None:
    """Have a unit give the runtime the images of a bundle; some hundred megabytes take a while."""
    with _locked(session, "preparing a release"):
        unit, command = release.preparing(bundle), release.preparation(session, bundle)
        said = f"kubeception: images of {bundle}"
        session.host.systemd.run_apart(unit, said, command, stays=False)


def note(session: Session, node: str, notes: Mapping[str, str]) -> None:
    """Have this host's Node say something of what this host has and has done."""
    with session.api_of_kubelet() as api:
        api.merge("Node", node, {"metadata": {"annotations": notes}})


def move(session: Session, rollout: Rollout, lease: Lease) -> None:
    """Write the port that is free into a revision; whose edit it is stays whose it is."""
    with (
        _locked(session, "moving a revision"),
        _held(lease, session),
    ):
        found = _daemonset(session)
        template = found["spec"]["template"]
        if (revision.identity(template), revision.port_of(template)) != rollout.asked:
            return  # somebody was quicker
        free = apiserver.free_port(rollout.port, rollout.taken)
        moved = revision.at_port(template, free)
        Revision(moved, editor(found), over=rollout.wanted).apply(session)
        log.info("revision %s goes to port %d", rollout.wanted, free)


def prove(session: Session, rollout: Rollout, lease: Lease) -> None:
    """Write something through a new server and read it back, keep its revision, let the old one go.

    Raises:
        KubeceptionError: what was written was not read.
    """
    with _locked(session, "proving a revision"):
        session.hang_up()  # a connection that stands may lead to the one before
        with _held(lease, session):
            found = _daemonset(session)
            template = found["spec"]["template"]
            if revision.identity(template) != rollout.wanted:  # edited just now
                return
            if rollout.proven[:1] != (rollout.wanted,):
                proven = Proven(rollout.wanted, template, editor(found))
                revisions.keep(session.layout.revisions, proven, session.host.clock.now())
                log.info("revision %s is proven, and kept", rollout.wanted)
            told(session, found, apiserver.PROVEN_NOTE, rollout.wanted)
            DoorGate(lease.holder, rollout.port).apply(session)


def put_back(session: Session, rollout: Rollout, lease: Lease, *, why: str) -> None:
    """Have the DaemonSet ask for the newest proven revision again, and say so in an event."""
    with (
        _locked(session, "putting a revision back"),
        _held(lease, session),
    ):
        found = _daemonset(session)
        template = found["spec"]["template"]
        if revision.identity(template) != rollout.wanted:
            return
        proven = revisions.kept(session.layout.revisions)[0].proven
        wanted = revision.at_port(dict(proven.template), _port_for(proven, rollout))
        # Told first: who is killed in between tells it twice, and never not at all.
        _tell(session, found, f"{why}; put back to revision {proven.revision}", node=lease.holder)
        Revision(wanted, proven.manager, why, over=rollout.wanted).apply(session)
        log.warning("%s; revision %s is back", why, proven.revision)


def put_back_authorities(session: Session) -> None:
    """Put back what can be of the CAs' certificates: without them nobody can even be asked."""
    if any(authorities.lost_one(session, entry) for entry in authorities.entries(session)):
        with _locked(session, "putting certificates back"):
            authorities.put_all_back(session)


def _locked(session: Session, why: str) -> AbstractContextManager[None]:
    """Hold the host's lock until a person wants it."""
    return session.locked(f"keeper: {why}", by_keeper=True)


def _daemonset(session: Session) -> Object:
    found = daemonset(session)
    if found is None:
        raise KubeceptionError(f"DaemonSet {apiserver.NAME} is gone")
    return found


def _port_for(proven: Proven, rollout: Rollout) -> int:
    """Return the port that its server has; where there is none, one that nobody serves on."""
    alive = [one.port for one in rollout.servers if one.revision == proven.revision]
    return alive[0] if alive else apiserver.free_port(rollout.port, rollout.taken)


@contextlib.contextmanager
def _held(lease: Lease, session: Session) -> Iterator[None]:
    """Hold the keepers' Lease, for a block; read it back first, so the API takes what it gives.

    Raises:
        KubeceptionError: another host's keeper holds it, or what was written was not read.
    """
    if not lease.hold(session.api):
        holder = lease.seen.get("holderIdentity") or "nobody, and somebody was quicker"
        raise KubeceptionError(f"Lease {lease.name} is held by {holder}")
    if lease.read(session.api)["spec"] != lease.seen:
        raise KubeceptionError(f"Lease {lease.name}: what was written was not read back")
    yield
    try:
        lease.release(session.api)
    except KubeceptionError as error:  # then it runs out
        log.info("Lease %s: %s", lease.name, error.message)


def _tell(session: Session, about: Object, words: str, *, node: str) -> None:
    """Leave an event with the DaemonSet."""
    session.api.create(
        objects.event(
            about,
            "PutBack",
            words,
            by={"component": KEEPER, "host": node},
            at=session.host.clock.now(),
            generateName=f"{apiserver.NAME}.",
        )
    )
