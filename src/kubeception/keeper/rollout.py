"""What the keeper does about the revisions of the hosted API server: pure.

A new revision comes up beside the old one, on another port. It is on trial there, then behind the
door, and only once it is proven may the old one go. What fails meanwhile is put back.
"""

from dataclasses import dataclass, replace

from kubeception.conditions import CRASHES
from kubeception.conditions.outside import VAIN_S, shut_out

# A new server that is not ready by then is broken.
START_S = 120.0
# How long a new server has to answer on its own port before the door turns to it ...
TRIAL_S = 60.0
# ... and then behind the door before it is proven.
PROOF_S = 60.0
# A server that has the door and is silent for so long has failed; a slow one may be only slow.
SILENT_S = 10.0
# What shut them out may be gone then ...
AGAIN_S = 60.0
# ... though a chain still seems to drop it: reading rules is no proof.
AGAIN_IN_SPITE_S = 600.0


@dataclass(frozen=True)
class Server:
    """A pod of the hosted API server on this host; `is_marked`: it knows that it has the door."""

    pod: str
    revision: str
    port: int
    answers: bool
    restarts: int = 0
    is_marked: bool = False


@dataclass(frozen=True)
class Rollout:
    """The revision that the DaemonSet asks for, its servers here, and how it has done so far.

    Seconds count for how long the revision has been asked for, here and of others since its pod has
    been here, and for how long its server has answered without a restart, in all and behind the
    door.
    """

    wanted: str
    port: int
    """The port that is asked for."""
    live: int
    """The port that the door leads to."""
    servers: tuple[Server, ...] = ()
    elsewhere: tuple[Server, ...] = ()
    """Those on other hosts; whether one answers isn't asked."""
    proven: tuple[str, ...] = ()
    """The revisions that were proven here, the newest first."""
    proven_elsewhere: str = ""
    """The revision that another host's keeper says is proven."""
    broken: str = ""
    """The revision that was put back last."""
    slowness: float = 1.0
    """How many times longer a new server may take, and be silent, than on a usual machine."""
    asked_s: float = 0.0
    steady_s: float = 0.0
    behind_s: float = 0.0
    has_failed: bool = False
    reached: tuple[str, ...] = ()
    """The nodes whose connections to the newest server have stood, since the door leads to it."""
    in_vain: tuple[str, ...] = ()
    """Nodes, and who has reached another server, that have sent it something to no avail."""
    shut_out: tuple[str, ...] = ()
    """Those of them to whom it failed; who has the door meanwhile keeps it for a while."""
    blocked: str = ""
    """What seems to drop their packets, where that can be told."""

    @property
    def asked(self) -> tuple[str, int]:
        """The revision and the port that are asked for."""
        return self.wanted, self.port

    @property
    def taken(self) -> frozenset[int]:
        """The ports that somebody has, on whichever host."""
        return frozenset((self.live, *(one.port for one in (*self.servers, *self.elsewhere))))

    @property
    def newest(self) -> Server | None:
        """The server of the revision that is asked for."""
        ours = (one for one in self.servers if (one.revision, one.port) == self.asked)
        return next(ours, None)

    @property
    def is_proven(self) -> bool:
        """Whether that revision has been proven here."""
        return self.wanted in self.proven

    @property
    def serves_elsewhere(self) -> bool:
        """Whether it was proven on another host, whose server of it has the door there.

        An annotation alone may be anybody's.
        """
        has_door = any(one.revision == self.wanted and one.is_marked for one in self.elsewhere)
        return has_door and self.wanted == self.proven_elsewhere

    @property
    def is_elsewhere_first(self) -> bool:
        """Whether other hosts have a server of it: this one's turn in the roll comes later."""
        return any((one.revision, one.port) == self.asked for one in self.elsewhere)

    @property
    def others(self) -> tuple[Server, ...]:
        """The servers of other revisions, or of the same one on another port."""
        return tuple(one for one in self.servers if one != self.newest)

    @property
    def way_back(self) -> int:
        """The port of one that has had the door beside one that others don't reach, 0 for none."""
        if not self.shut_out or self.newest is None or self.newest.port != self.live:
            return 0
        return next((one.port for one in self.others if one.answers and one.is_marked), 0)

    @property
    def outside(self) -> str:
        """How it does for other hosts, in words."""
        if self.shut_out:
            cause = self.blocked or "no rule of this host seems to drop it"
            return f"{shut_out(self.port, self.shut_out)}: {cause}"
        if self.reached:
            return f"node {self.reached[0]} has reached it"
        return "no other node has tried it"

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to be watched for."""
        newest = self.newest
        return (
            self.is_proven
            and newest is not None
            and newest.is_marked
            and newest.port == self.live
            and not self.others
        )

    def broken_because(self) -> str | None:
        """Say why the revision that is asked for is broken, or None.

        One that serves on another host is not: then this host is.
        """
        return None if self.is_proven or self.serves_elsewhere else self.fails_because()

    def fails_because(self) -> str | None:
        """Say why it doesn't serve here, or None."""
        if self.wanted == self.broken:
            return "it was put back before"
        if self.has_failed:
            return "it failed behind the door"
        newest = self.newest
        if newest and newest.restarts >= CRASHES:
            return f"it has restarted {newest.restarts} times"
        if not (newest and newest.answers) and self.asked_s >= START_S * self.slowness:
            return f"it is not ready after {START_S * self.slowness:.0f} s"
        return None

    def is_in_its_own_way(self) -> bool:
        """Whether it is asked for on a port that another revision serves on: an edit by hand."""
        is_elsewhere = any(
            one.port == self.port and one.revision != self.wanted for one in self.elsewhere
        )
        return is_elsewhere or any(one.port == self.port == self.live for one in self.others)

    def may_have_the_door(self) -> bool:
        """Whether the door is to turn to it; one that was proven before needs no trial."""
        newest = self.newest
        if newest is None or not newest.answers or newest.port == self.live or self.shut_out:
            return False
        return self.steady_s >= (0 if self.is_proven else TRIAL_S)

    def may_be_proven(self) -> bool:
        """Whether it has served long enough, or has and does not know yet."""
        newest = self.newest
        if newest is None or newest.port != self.live or not newest.answers:
            return False
        if self.is_proven and not newest.is_marked:
            return True
        if self.in_vain and not self.reached:
            return False
        # What was gone back to is proven once more, or what was left would be put back one day.
        return self.proven[:1] != (self.wanted,) and self.behind_s >= PROOF_S


@dataclass(frozen=True)
class History:
    """How the revision that is asked for has done: moments of a clock, None where it is not so.

    `has_had_door` says that the door led to its server when that one last answered, `has_come` that
    this host has had a server of it.
    """

    asked_for: tuple[str, int] = ("", 0)
    asked_at: float = 0.0
    has_come: bool = False
    restarts: int = 0
    steady_since: float | None = None
    behind_since: float | None = None
    silent_since: float | None = None
    has_had_door: bool = False
    has_failed: bool = False
    vain_since: float | None = None
    shut_out: tuple[str, ...] = ()
    shut_out_at: float = 0.0

    def then(self, rollout: Rollout, now: float) -> "History":
        """Return how it has done by now."""
        if rollout.asked != self.asked_for:
            fresh = History(rollout.asked, now)
            return fresh.then(rollout, now)
        newest = rollout.newest
        if newest is None:
            has_time = rollout.is_elsewhere_first and not self.has_come
            since = now if has_time else self.asked_at
            return replace(self, asked_at=since, steady_since=None, behind_since=None)
        has_restarted = newest.restarts > self.restarts
        silent_since = None if newest.answers else _since(self.silent_since, now)
        is_steady = newest.answers and not has_restarted
        is_behind = is_steady and newest.port == rollout.live
        patience_s = SILENT_S * rollout.slowness
        is_in_vain = is_behind and bool(rollout.in_vain) and not rollout.reached
        vain_since = _since(self.vain_since, now) if is_in_vain else None
        is_lost = has_restarted or (silent_since is not None and now - silent_since >= patience_s)
        return replace(
            self,
            asked_at=self.asked_at if self.has_come else now,
            has_come=True,
            restarts=newest.restarts,
            steady_since=_since(self.steady_since, now) if is_steady else None,
            behind_since=_since(self.behind_since, now) if is_behind else None,
            silent_since=silent_since,
            has_had_door=is_behind if newest.answers else self.has_had_door,
            has_failed=self.has_failed or (self.has_had_door and is_lost),
            vain_since=vain_since,
        )._with_who_is_shut_out(rollout, now)

    def _with_who_is_shut_out(self, rollout: Rollout, now: float) -> "History":
        """Add who has tried it in vain; what was proven once is no news to any filter."""
        if rollout.is_proven or rollout.reached:
            return replace(self, shut_out=())
        if self.vain_since is not None and now - self.vain_since >= VAIN_S:
            return replace(self, shut_out=rollout.in_vain, shut_out_at=now)
        again_s = AGAIN_IN_SPITE_S if rollout.blocked else AGAIN_S
        is_over = now - self.shut_out_at >= again_s
        return replace(self, shut_out=()) if is_over else self

    def tell(self, rollout: Rollout, now: float) -> Rollout:
        """Return the rollout with how long everything has been so."""

        def for_s(since: float | None) -> float:
            return 0.0 if since is None else now - since

        return replace(
            rollout,
            asked_s=now - self.asked_at,
            steady_s=for_s(self.steady_since),
            behind_s=for_s(self.behind_since),
            has_failed=self.has_failed,
            shut_out=self.shut_out,
        )


def _since(before: float | None, now: float) -> float:
    return now if before is None else before
