"""Nodes in batches: what comes next, by what was seen. Pure.

A state is written down before anything is done for it, and what is done may be done again: whoever
goes on, after whatever end of the one before, finds in the states and on the Nodes all there is to
know. So a node is never in two states, and its next state never begins in the step that ended one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class State(StrEnum):
    """What a node is at."""

    WAITING = "Waiting"
    DRAINING = "Draining"
    REBOOTING = "Rebooting"
    DONE = "Done"
    SKIPPED = "Skipped"
    RELEASED = "Released"
    FAILED = "Failed"


class Phase(StrEnum):
    """What all of it is at."""

    PENDING = "Pending"
    RUNNING = "Running"
    PAUSED = "Paused"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ABORTED = "Aborted"

    @property
    def is_end(self) -> bool:
        """Whether nothing comes after it."""
        return self in {Phase.SUCCEEDED, Phase.FAILED, Phase.ABORTED}


AT_HAND = frozenset({State.DRAINING, State.REBOOTING})


class Verb(StrEnum):
    """What can be done for a node."""

    CORDON = "cordon"
    EVICT = "evict"
    DELETE = "delete"
    ASK = "ask"
    WITHDRAW = "withdraw"
    LET_GO = "let go"


@dataclass(frozen=True)
class NodeProgress:
    """How far a node is, since when; `boot` is the id of the boot that is to end."""

    name: str
    state: State = State.WAITING
    message: str = ""
    boot: str = ""
    since: datetime | None = None


@dataclass(frozen=True)
class Run:
    """What was asked for, and how far it is; nodes are in the order of their turns."""

    name: str
    nodes: tuple[NodeProgress, ...] = ()
    phase: Phase = Phase.PENDING
    batch: int | str = 1
    drain: timedelta = timedelta(0)
    is_forced: bool = False
    step: timedelta = timedelta(0)
    skips_offline: bool = False
    is_paused: bool = False
    is_aborted: bool = False

    @property
    def at_hand(self) -> tuple[NodeProgress, ...]:
        """The nodes of the batch that is under way."""
        return tuple(node for node in self.nodes if node.state in AT_HAND)

    def saying(self, name: str, words: str) -> "Run":
        """Return it with something said of a node, where there is something to say."""
        if not words:
            return self
        nodes = (replace(one, message=words) if one.name == name else one for one in self.nodes)
        return replace(self, nodes=tuple(nodes))

    @property
    def size(self) -> int:
        """How many nodes a batch has."""
        if isinstance(self.batch, int):
            return self.batch
        return max(1, len(self.nodes) * int(self.batch.removesuffix("%")) // 100)


@dataclass(frozen=True)
class SeenNode:
    """A node as it is: `pods` are those that have to go, None where nobody has looked."""

    boot: str
    is_ready: bool = True
    is_control_plane: bool = False
    is_cordoned: bool = False
    is_ours: bool = False
    """It was the controller that cordoned it."""
    asked: str = ""
    """Which boot its host is asked to end."""
    pods: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Change:
    """Something to do for a node."""

    verb: Verb
    node: str


Seen = Mapping[str, SeenNode | None]
_Next = tuple[NodeProgress, Verb | None]


def step(run: Run, seen: Seen, now: datetime) -> tuple[Run, tuple[Change, ...]]:
    """Return how far it is now, and what to do before it is looked at again.

    `seen` has the nodes at hand; where there are none, all that wait. One that is no more is None.
    """
    if not run.at_hand:
        return _begun(run, seen, now), ()
    may_empty = all(_is_closed(node, seen) for node in run.at_hand)
    nodes, changes = [], []
    for node in run.nodes:
        after, verb = node, None
        if node.state in AT_HAND:
            after, verb = _advanced(node, run, seen[node.name], now, may_empty=may_empty)
        nodes.append(after)
        if verb:
            changes.append(Change(verb, node.name))
    return replace(run, nodes=tuple(nodes), phase=Phase.RUNNING), tuple(changes)


def _is_closed(node: NodeProgress, seen: Seen) -> bool:
    """Tell whether no pod of the batch can move to a node."""
    at = seen[node.name]
    return node.state is not State.DRAINING or at is None or at.is_cordoned


def _begun(run: Run, seen: Seen, now: datetime) -> Run:
    """Return it with the next batch begun, or at its end."""
    waiting = [node for node in run.nodes if node.state is State.WAITING]
    if any(node.state is State.FAILED for node in run.nodes):
        return replace(run, phase=Phase.FAILED)
    if not waiting:
        return replace(run, phase=Phase.SUCCEEDED)
    if run.is_aborted:
        return replace(run, phase=Phase.ABORTED)
    if run.is_paused:
        return replace(run, phase=Phase.PAUSED)
    changed = {node.name: node for node in _batch(run, waiting, seen, now)}
    nodes = tuple(changed.get(node.name, node) for node in run.nodes)
    return replace(run, nodes=nodes, phase=Phase.RUNNING)


def _batch(
    run: Run, waiting: list[NodeProgress], seen: Seen, now: datetime
) -> Iterator[NodeProgress]:
    """Yield the nodes whose turn it is, and those that are passed over.

    Where one that is off stops it all, that one alone, once its turn has come. A control plane's
    host goes by itself.
    """
    count = 0
    for node in waiting:
        at = seen.get(node.name)
        why, is_plane = _absence(at), at is not None and at.is_control_plane
        is_full = count == run.size or (is_plane and count)
        if is_full or (why and count and not run.skips_offline):
            return
        if why:
            state = State.SKIPPED if run.skips_offline else State.FAILED
            yield replace(node, state=state, message=why, since=now)
            if not run.skips_offline:
                return
            continue
        yield replace(node, state=State.DRAINING, message="", since=now)
        count += 1
        if is_plane:
            return


def _absence(at: SeenNode | None) -> str | None:
    """Say why nothing can be done with a node."""
    if at is None:
        return "there is no such node"
    if not at.is_ready:
        return "is not Ready"
    return None if at.boot else "tells no id of its boot"


def _advanced(
    node: NodeProgress, run: Run, at: SeenNode | None, now: datetime, *, may_empty: bool
) -> _Next:
    if at is None:
        return replace(node, state=State.FAILED, message="the node is gone", since=now), None
    passed = now - (node.since or now)
    if node.state is State.DRAINING:
        return _drained(node, run, at, now, passed=passed, may_empty=may_empty)
    return _rebooted(node, run, at, now, passed=passed)


def _drained(
    node: NodeProgress,
    run: Run,
    at: SeenNode,
    now: datetime,
    *,
    passed: timedelta,
    may_empty: bool,
) -> _Next:
    if run.is_aborted:
        return _let_go(node, at, State.RELEASED, now)
    is_empty = may_empty and at.pods == ()
    is_late = passed >= (run.drain + run.step if run.is_forced else run.drain)
    if is_late and not is_empty:
        why = f"not empty after {passed.total_seconds():.0f} s"
        said = node.message if node.message.startswith("not empty") else f"{why}: {node.message}"
        return _let_go(replace(node, message=said), at, State.FAILED, now)
    if not at.is_cordoned:
        return node, Verb.CORDON
    if is_empty:
        asked = replace(node, state=State.REBOOTING, message="", boot=at.boot, since=now)
        return asked, None
    if not may_empty or at.pods is None:
        return node, None
    return node, Verb.DELETE if run.is_forced and passed >= run.drain else Verb.EVICT


def _rebooted(
    node: NodeProgress, run: Run, at: SeenNode, now: datetime, *, passed: timedelta
) -> _Next:
    is_new = at.boot != node.boot
    if run.is_aborted and not is_new and not at.asked:
        return _let_go(node, at, State.RELEASED, now)
    if is_new and at.is_ready:
        return _let_go(node, at, State.DONE, now)
    if passed >= run.step:
        # Nobody is to go down later, when nobody expects it. New pods are kept away as before.
        if at.asked:
            return node, Verb.WITHDRAW
        why = "not Ready" if is_new else "has not rebooted"
        said = f"{why} after {passed.total_seconds():.0f} s; takes no new pods"
        return replace(node, state=State.FAILED, message=said, since=now), None
    said = "has rebooted, is not Ready yet" if is_new else ""
    return replace(node, message=said), None if is_new or at.asked == node.boot else Verb.ASK


def _let_go(node: NodeProgress, at: SeenNode, then: State, now: datetime) -> _Next:
    """Go on once nothing of ours is left on the Node."""
    if at.is_ours or at.asked:
        return node, Verb.LET_GO
    message = node.message if then is State.FAILED else ""
    return replace(node, state=then, message=message, since=now), None
