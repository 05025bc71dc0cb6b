"""What the keeper does about what it sees: one pure function."""

from dataclasses import dataclass
from enum import StrEnum

from kubeception.conditions import API_SILENT_S
from kubeception.etcd.space import Space
from kubeception.keeper.errand import NO_ERRANDS, Errands, Work
from kubeception.keeper.own_node import Moved, Unready
from kubeception.keeper.rollout import Rollout
from kubeception.keeper.trouble import Trouble
from kubeception.keeper.undone import Undone
from kubeception.pki.token import Role

# After a boot it is there sooner; one whose host has moved never is, by itself.
ETCD_SILENT_S = 20.0
# A live holder renews its Lease every two seconds.
LEASE_STILL_S = 20.0
# A standby takes a Lease that was let go within two seconds.
LEASE_FREE_S = 5.0


_ASKED = "this host's Node asks for it"
_NEW_SETTINGS = "the cluster goes by other settings than this host"


class Action(StrEnum):
    """What there is to do."""

    NOTHING = "nothing"
    STAND_BACK = "stand back"
    WAIT = "wait"
    RAISE_DOOR = "raise the door"
    BOOTSTRAP = "bootstrap"
    JOIN = "join"
    FREE_SPACE = "free space"
    REFUSE = "refuse"
    PUT_BACK = "put back"
    MOVE = "move to another port"
    TURN_DOOR = "turn the door"
    KILL = "kill what hangs"
    RESTART_KUBELET = "restart the kubelet"
    TELL = "tell of the network"
    RESTORE_NETWORK = "restore the network"
    END_ORPHANS = "end what the runtime has lost"
    REBOOT = "reboot"
    ERRAND = "run an errand"
    PREPARE = "prepare a release"
    NOTE = "tell what has come of it"
    PROVE = "prove"


@dataclass(frozen=True)
class Observation:
    """What was seen of this host just now; seconds count how long something has been so."""

    role: Role = Role.CONTROL_PLANE
    """What this host is to its cluster."""
    paused: str | None = None
    """Why the keeper was told to stand back."""
    locked: str | None = None
    """Who changes the host."""
    manifests: tuple[str, ...] = ()
    """Which static pods of the bootstrap control plane are placed."""
    refusal: str | None = None
    """What of the cluster is lost, or another one's: nothing may be made anew then."""
    is_unrecorded: bool = False
    """This host has no record of itself yet."""
    api_silent_s: float = 0.0
    """For how long no API answers behind the door, or a worker's."""
    api_problem: str | None = None
    """What keeps a worker from asking its API."""
    api_is_back: bool = False
    """An API answers again after a silence that nobody has looked after yet."""
    has_door: bool = True
    """The door is there; asked only while no API answers, as the next three."""
    ready: tuple[int, ...] = ()
    """On which ports hosted API servers answer."""
    firewall: str | None = None
    """Which chain drops what this host sends to an API server of its own that is alive."""
    has_server: bool | None = None
    """Whether one may be expected to by itself; None: not to be told."""
    is_unresponsive: bool = False
    """One takes connections and answers none."""
    etcd_problem: str | None = None
    """Why etcd does not serve."""
    etcd_silent_s: float = 0.0
    """For how long."""
    space: Space | None = None
    """How much room etcd has."""
    may_free_space: bool = False
    """It is a while since that was tried."""
    stale_leases: tuple[tuple[str, float], ...] = ()
    """For how many seconds each Lease has not moved."""
    slowness: float = 1.0
    """By what every limit of a usual machine is to be multiplied."""
    released_leases: tuple[str, ...] = ()
    """Which were let go, and have not moved since."""
    lost: str | None = None
    """Something that has to be there and isn't."""
    changed_place: str | None = None
    """Where the API's Service leads instead of to the control plane's hosts."""
    changed_roles: str | None = None
    """Which roles by which the cluster lives are gone, or others."""
    refused: str | None = None
    """What the API refuses to tell the keeper."""
    is_refusal_due: bool = False
    """A bootstrap, which gives that right, was not just tried for it."""
    has_new_settings: bool = False
    """The cluster goes by other settings than this host."""
    emulates: str | None = None
    """Which minor the control plane still passes for, though the upgrade from it is over."""
    node_problem: str | None = None
    """What this host's Node lacks."""
    is_gone: bool = False
    """There is no Node of this host."""
    is_unregistered: bool = False
    """A worker's kubelet has started anew since then, and has not brought what is missing."""
    credential_problem: str | None = None
    """Why a worker's kubelet has no credential that its API would take."""
    expiring: str | None = None
    """Which certificate has little time left, or is to be another one."""
    rollout: Rollout | None = None
    """The revisions of the hosted API server here."""
    pods: str | None = None
    """The range of this node's pods, as its Node says."""
    network_lost: str | None = None
    """What of this host's network somebody took away."""
    network_due: tuple[str, ...] = ()
    """What of it is to be restored now."""
    orphans: str | None = None
    """Which processes of containers run on that the runtime has lost."""
    is_to_reboot: bool = False
    """This host's Node asks for it."""
    errands: Errands = NO_ERRANDS
    """What its Node sends it to do, and is to be told."""
    unready: Unready | None = None
    """How this host's node is not Ready."""
    trouble: Trouble | None = None
    """What of the cluster's network does not work from here."""
    told_trouble: str | None = None
    """By which reason a worker's Node says so."""
    undone: Undone | None = None
    """What a worker's join has made, and is gone."""
    moved: Moved | None = None
    """Where the host has gone that no longer has the address it goes by."""


@dataclass(frozen=True)
class Verdict:
    """What to do, and why, in a sentence."""

    action: Action
    why: str


def judge(seen: Observation) -> Verdict:
    """Return what to do; the first rule that applies counts.

    What is lost keeps nobody from turning the door, say, but anything from being made anew.
    """
    if seen.role is Role.WORKER:
        verdict = (
            _hands_off(seen)
            or _about_orphans(seen)
            or _about_the_network(seen)
            or _about_a_worker(seen)
            or _about_what_may_pass(seen)
        )
        return verdict or Verdict(Action.NOTHING, "all is well")
    verdict = (
        _hands_off(seen)
        or _about_etcd(seen)
        or _about_space(seen)
        or _about_the_door(seen)
        or _about_orphans(seen)
        or _about_the_network(seen)
        or _about_what_to_tell(seen)
        or _about_an_errand(seen)
        or _about_what_is_broken(seen)
        or _about_the_api(seen)
        or _about_the_rest(seen)
        or _about_what_may_pass(seen)
        or Verdict(Action.NOTHING, "all is well")
    )
    may_hide_it = verdict.action in {
        *(Action.BOOTSTRAP, Action.WAIT, Action.NOTHING),
        *(Action.REBOOT, Action.ERRAND),  # such a host may not come back
        *(Action.PREPARE, Action.NOTE),
    }
    return Verdict(Action.REFUSE, seen.refusal) if seen.refusal and may_hide_it else verdict


def _hands_off(seen: Observation) -> Verdict | None:
    if seen.paused:
        return Verdict(Action.STAND_BACK, seen.paused)
    if seen.locked:
        return Verdict(Action.STAND_BACK, f"the host is being changed by {seen.locked}")
    return None


def _about_a_worker(seen: Observation) -> Verdict | None:
    if seen.lost:
        return Verdict(Action.WAIT, f"{seen.lost} is gone: this host has to join again")
    if seen.credential_problem:
        return Verdict(Action.WAIT, f"{seen.credential_problem}: this host has to join again")
    if seen.api_problem:
        return Verdict(Action.WAIT, f"no API answers: {seen.api_problem}")
    if seen.node_problem and not seen.is_unregistered:
        why = f"{seen.node_problem}, and a kubelet brings it when it starts"
        return Verdict(Action.RESTART_KUBELET, why)
    if seen.node_problem and seen.is_gone:
        return Verdict(Action.WAIT, f"{seen.node_problem}: removed, or to join again")
    if seen.is_to_reboot:
        return Verdict(Action.REBOOT, _ASKED)
    if verdict := _about_an_errand(seen) or _about_what_to_tell(seen):
        return verdict
    if seen.moved and seen.moved.is_to_be_followed:
        why = f"{seen.moved}: this host has to join again, by a token of token create --rejoin"
        return Verdict(Action.WAIT, why)
    if seen.has_new_settings:
        return Verdict(Action.JOIN, _NEW_SETTINGS)
    if seen.expiring:
        return Verdict(Action.JOIN, seen.expiring)
    if seen.undone and seen.undone.is_due:
        return Verdict(Action.JOIN, seen.undone.found.what)
    if verdict := _about_the_kubelet(seen):
        return verdict
    if (seen.trouble and seen.trouble.reason) != seen.told_trouble:
        return Verdict(Action.TELL, str(seen.trouble or "the cluster's network works again"))
    return _about_what_to_prepare(seen)


def _about_an_errand(seen: Observation) -> Verdict | None:
    """Run it before what fails by the release of now is tried again: it may be the way back."""
    if seen.errands.asked and seen.errands.work is Work.DUE and not seen.api_silent_s:
        return Verdict(Action.ERRAND, f"{_ASKED}: {seen.errands.asked.what}")
    return None


def _about_what_to_prepare(seen: Observation) -> Verdict | None:
    if seen.errands.unprepared:
        why = f"bundle {seen.errands.unprepared} is there, and the runtime lacks its images"
        return Verdict(Action.PREPARE, why)
    return None


def _about_what_to_tell(seen: Observation) -> Verdict | None:
    """Tell it before what has failed is tried again, and again: others wait for the answer."""
    if seen.errands.notes and not seen.api_silent_s:
        said = "; ".join(value or f"no {key}" for key, value in seen.errands.notes)
        return Verdict(Action.NOTE, f"this host's Node does not say yet: {said}")
    return None


def _about_etcd(seen: Observation) -> Verdict | None:
    if seen.etcd_problem and seen.moved and seen.moved.now is None:
        return Verdict(Action.WAIT, str(seen.moved))
    if seen.etcd_problem and seen.etcd_silent_s >= ETCD_SILENT_S * seen.slowness:
        return Verdict(Action.BOOTSTRAP, f"etcd has not served for {seen.etcd_silent_s:.0f} s")
    if seen.etcd_problem:
        return Verdict(Action.WAIT, f"etcd does not serve: {seen.etcd_problem}")
    return None


def _about_space(seen: Observation) -> Verdict | None:
    """Free it without a bootstrap, whose every write would be refused."""
    if seen.space and seen.space.is_worth_freeing and seen.may_free_space:
        return Verdict(Action.FREE_SPACE, str(seen.space))
    return Verdict(Action.WAIT, str(seen.space)) if seen.space and seen.space.is_full else None


def _about_the_door(seen: Observation) -> Verdict | None:
    if not seen.has_door and seen.ready:
        return Verdict(Action.RAISE_DOOR, "the door is gone")
    if seen.firewall and not seen.ready:
        return Verdict(Action.WAIT, seen.firewall)  # whoever is alive behind it stays so
    if not seen.has_door:
        return Verdict(Action.BOOTSTRAP, "the door is gone and no API server is ready")
    if seen.api_silent_s and seen.ready:
        return Verdict(
            Action.TURN_DOOR, f"nobody answers behind it, and one does on port {seen.ready[0]}"
        )
    return None


def _about_orphans(seen: Observation) -> Verdict | None:
    """End them, an API server, too: the one in its place can't listen while it has the port."""
    return Verdict(Action.END_ORPHANS, seen.orphans) if seen.orphans else None


def _about_the_network(seen: Observation) -> Verdict | None:
    """Restore it before a bootstrap, whose add-ons could not become ready without it.

    Not while no API answers: who keeps rules could not learn which.
    """
    if seen.network_lost and seen.network_due and not seen.api_silent_s:
        return Verdict(Action.RESTORE_NETWORK, seen.network_lost)
    return None


def _about_what_is_broken(seen: Observation) -> Verdict | None:
    if seen.lost:
        return Verdict(Action.BOOTSTRAP, f"{seen.lost} is gone")
    if seen.changed_place and not seen.api_silent_s:
        return Verdict(Action.BOOTSTRAP, seen.changed_place)
    if seen.rollout is None or seen.api_silent_s:
        return None
    if seen.rollout.way_back:
        said = f"revision {seen.rollout.wanted}: {seen.rollout.outside}"
        return Verdict(Action.TURN_DOOR, said)
    if not seen.rollout.proven:
        return None
    why = seen.rollout.broken_because()
    if why and seen.firewall:
        return Verdict(Action.WAIT, seen.firewall)
    return Verdict(Action.PUT_BACK, f"revision {seen.rollout.wanted}: {why}") if why else None


def _about_the_api(seen: Observation) -> Verdict | None:
    if seen.manifests:
        standing = ", ".join(seen.manifests)
        return Verdict(Action.BOOTSTRAP, f"nobody takes these away: {standing}")
    is_late = seen.api_silent_s >= API_SILENT_S * seen.slowness
    if is_late and seen.is_unresponsive:
        why = f"an API server has said no word for {seen.api_silent_s:.0f} s"
        return Verdict(Action.KILL, why)
    if is_late:
        return Verdict(Action.BOOTSTRAP, f"no API has answered for {seen.api_silent_s:.0f} s")
    if seen.api_silent_s and seen.has_server is False:
        return Verdict(Action.BOOTSTRAP, "no API answers, and none is about to")
    if seen.api_silent_s:
        slow = f"; {_slow(seen)}" if seen.slowness > 1 else ""
        return Verdict(Action.WAIT, f"no API answers{slow}")
    if seen.api_is_back:
        return Verdict(Action.BOOTSTRAP, "an API answers again; making sure that all is as wanted")
    return None


def _about_the_rest(seen: Observation) -> Verdict | None:
    if seen.is_to_reboot:
        return Verdict(Action.REBOOT, _ASKED)
    if seen.released_leases:
        return Verdict(Action.BOOTSTRAP, f"nobody takes Lease {seen.released_leases[0]}")
    for lease, still_s in seen.stale_leases:
        if still_s >= LEASE_STILL_S * seen.slowness:
            return Verdict(Action.BOOTSTRAP, f"Lease {lease} has not moved for {still_s:.0f} s")
    if seen.changed_roles:
        return Verdict(Action.BOOTSTRAP, seen.changed_roles)
    if seen.refused and seen.is_refusal_due:
        return Verdict(Action.BOOTSTRAP, _refused(seen.refused))
    if seen.is_unrecorded:
        return Verdict(Action.BOOTSTRAP, "this host has no record of itself yet")
    if seen.node_problem:
        return Verdict(Action.BOOTSTRAP, seen.node_problem)
    if seen.moved and seen.moved.is_to_be_followed:
        return Verdict(Action.BOOTSTRAP, str(seen.moved))
    if seen.has_new_settings:
        return Verdict(Action.BOOTSTRAP, _NEW_SETTINGS)
    if verdict := _about_the_kubelet(seen):
        return verdict
    verdict = _about_the_rollout(seen.rollout) if seen.rollout else None
    if verdict and verdict.action is not Action.WAIT:
        return verdict
    if seen.expiring:
        return Verdict(Action.BOOTSTRAP, seen.expiring)
    if seen.emulates and seen.rollout and seen.rollout.is_proven:
        why = f"the upgrade is over, and its API servers still emulate {seen.emulates}"
        return Verdict(Action.BOOTSTRAP, why)
    return _about_what_to_prepare(seen) or verdict


def _about_the_kubelet(seen: Observation) -> Verdict | None:
    if seen.unready and seen.unready.may_need_a_new_kubelet(seen.slowness):
        node, for_s = seen.unready.node, seen.unready.for_s
        why = f"node {node} has been NotReady for {for_s:.0f} s: restarting the kubelet"
        return Verdict(Action.RESTART_KUBELET, why)
    return None


def _about_what_may_pass(seen: Observation) -> Verdict | None:
    if seen.refused:
        return Verdict(Action.WAIT, _refused(seen.refused))
    near = seen.space if seen.space and seen.space.is_near else None
    what = seen.moved or seen.undone or seen.network_lost or seen.unready or seen.trouble or near
    if seen.errands.asked and seen.errands.work is Work.RUNNING and not what:
        what = f"{seen.errands.asked.unit} is at it: {seen.errands.asked.what}"
    if seen.slowness > 1 and not what:
        what = _slow(seen)
    return Verdict(Action.WAIT, str(what)) if what else None


def _refused(why: str) -> str:
    return f"the keeper may not ask what it has to: {why}"


def _slow(seen: Observation) -> str:
    return f"this machine is {seen.slowness:.0f} times too slow"


def _about_the_rollout(rollout: Rollout) -> Verdict | None:
    which = f"revision {rollout.wanted}"
    if rollout.is_in_its_own_way():
        return Verdict(Action.MOVE, f"{which} is asked for on the port that another one serves on")
    if rollout.may_have_the_door():
        return Verdict(Action.TURN_DOOR, f"{which} is ready on port {rollout.port}")
    if rollout.may_be_proven():
        if rollout.is_proven:
            return Verdict(Action.PROVE, f"{which} has served well")
        return Verdict(Action.PROVE, f"{which} has served well; {rollout.outside}")
    if not rollout.is_proven and rollout.serves_elsewhere and (why := rollout.fails_because()):
        return Verdict(Action.WAIT, f"{which} serves on other hosts, and not on this one: {why}")
    if rollout.shut_out:
        return Verdict(Action.WAIT, f"{which}: {rollout.outside}")
    if not rollout.is_settled:
        return Verdict(Action.WAIT, f"{which} is on trial")
    return None
