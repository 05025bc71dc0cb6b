"""What the keeper does about what it sees: one pure function."""

from dataclasses import dataclass
from enum import StrEnum

# A rolled or restarted API server is back well within this; a dead one is not.
API_SILENT_S = 10.0
# A live holder renews its Lease every two seconds.
LEASE_STILL_S = 20.0


class Action(StrEnum):
    """What there is to do."""

    NOTHING = "nothing"
    STAND_BACK = "stand back"
    WAIT = "wait"
    RAISE_DOOR = "raise the door"
    BOOTSTRAP = "bootstrap"


@dataclass(frozen=True)
class Observation:
    """What was seen of this host just now.

    Seconds count how long something has been so. `ready` are the ports of hosted API servers that
    answer; they are asked, like the door, only while no API answers behind it. `api_is_back` says
    that one answers again after a silence that nobody has looked after yet.
    """

    paused: str | None = None
    locked: str | None = None
    manifests: tuple[str, ...] = ()
    api_silent_s: float = 0.0
    api_is_back: bool = False
    has_door: bool = True
    ready: tuple[int, ...] = ()
    etcd_problem: str | None = None
    still_leases: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What to do, and why, in a sentence."""

    action: Action
    why: str


def judge(seen: Observation) -> Verdict:
    """Return what to do; the first rule that applies counts."""
    if seen.paused:
        return Verdict(Action.STAND_BACK, seen.paused)
    if seen.locked:
        return Verdict(Action.STAND_BACK, f"the host is being changed by {seen.locked}")
    if seen.etcd_problem:
        return Verdict(Action.WAIT, f"etcd does not serve: {seen.etcd_problem}")
    if not seen.has_door and seen.ready:
        return Verdict(Action.RAISE_DOOR, "the door is gone")
    if not seen.has_door:
        return Verdict(Action.BOOTSTRAP, "the door is gone and no API server is ready")
    if seen.manifests:
        standing = ", ".join(seen.manifests)
        return Verdict(Action.BOOTSTRAP, f"nobody takes these away: {standing}")
    if seen.api_silent_s >= API_SILENT_S:
        return Verdict(Action.BOOTSTRAP, f"no API has answered for {seen.api_silent_s:.0f} s")
    if seen.api_silent_s:
        return Verdict(Action.WAIT, "no API answers")
    if seen.api_is_back:
        return Verdict(Action.BOOTSTRAP, "an API answers again; making sure that all is as wanted")
    for lease, still_s in seen.still_leases:
        if still_s >= LEASE_STILL_S:
            return Verdict(Action.BOOTSTRAP, f"Lease {lease} has not moved for {still_s:.0f} s")
    return Verdict(Action.NOTHING, "all is well")
