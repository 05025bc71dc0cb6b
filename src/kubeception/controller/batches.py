"""Nodes in batches: what comes next, by what was seen. Pure.

A state is written down before anything is done for it, and what is done may be done again: whoever
goes on, after whatever end of the one before, finds in the states and on the Nodes all there is to
know. So a node is never in two states, and its next state never begins in the step that ended one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from kubeception import timestamp
from kubeception.render.cluster_upgrade import Phase
from kubeception.render.window import Window


class State(StrEnum):
    """What a node is at."""

    FETCHING = "Fetching"
    WAITING = "Waiting"
    DRAINING = "Draining"
    RUNNING = "Running"
    REBOOTING = "Rebooting"
    UPGRADING = "Upgrading"
    PROVING = "Proving"
    DONE = "Done"
    SKIPPED = "Skipped"
    RELEASED = "Released"
    FAILED = "Failed"


AT_HAND = frozenset(
    {
        State.FETCHING,
        State.DRAINING,
        State.RUNNING,
        State.REBOOTING,
        State.UPGRADING,
        State.PROVING,
    }
)
# So many hosts get a bundle from its server at a time.
MOST_FETCHES = 10


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
    identity: str = ""
    """What tells it from every other one, also from one of the same name."""
    steps: tuple[State, ...] = (State.REBOOTING,)
    """What nodes that are empty go through, in this order."""
    release: str = ""
    """The bundle that hosts go to, where they do."""
    command: str = ""
    """The program that they run, where they do."""
    previous: str = ""
    """The one that they go back to where it is aborted."""
    has_source: bool = False
    """Those that lack the bundle get it before the first batch begins."""
    drain: timedelta = timedelta(0)
    keeps_pods: bool = False
    """Nodes are neither cordoned nor emptied."""
    is_forced: bool = False
    step: timedelta = timedelta(0)
    skips_offline: bool = False
    window: Window | None = None
    """When batches may begin, where not always."""
    canary: str = ""
    """The worker that goes before the other ones, by itself, where one does."""
    proves: timedelta = timedelta(0)
    """For how long it is to be well before they do."""
    is_paused: bool = False
    is_aborted: bool = False

    @property
    def ask(self) -> str:
        """What a host is asked for, and answers by: which release or command, and by whom."""
        return f"{self.identity}/{self.release or self.command}"

    @property
    def at_hand(self) -> tuple[NodeProgress, ...]:
        """The nodes of the batch that is under way."""
        return tuple(node for node in self.nodes if node.state in AT_HAND)

    def may_begin(self, now: datetime) -> bool:
        """Tell whether a batch may."""
        is_time = self.window is None or self.window.is_open(now)
        return is_time and not self.is_paused

    def state_of(self, name: str) -> State:
        """Return what a node is at."""
        return next(one.state for one in self.nodes if one.name == name)

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
    network_problem: str = ""
    """Why the cluster's network does not work there, by its keeper's word."""
    pressures: tuple[str, ...] = ()
    """What it says that it runs short of."""
    is_control_plane: bool = False
    is_cordoned: bool = False
    is_ours: bool = False
    """It was the controller that cordoned it."""
    asked: str = ""
    """Which boot its host is asked to end, or which release to go to, or command to run."""
    bundles: tuple[str, ...] = ()
    """Which ones lie on its host, by its keeper's word."""
    answers: tuple[str, ...] = ()
    """What its keeper has said last of a release, and of a command, that it was asked for."""
    fetches: str = ""
    """Which bundle its host is asked to fetch."""
    fetched: str = ""
    """What its keeper has said last of one that it was asked to fetch."""
    pods: tuple[str, ...] | None = None

    @property
    def is_asked(self) -> bool:
        """Whether its host is asked for anything."""
        return bool(self.asked or self.fetches)

    @property
    def unwell(self) -> str:
        """What keeps it from taking pods as it should, "" for nothing."""
        if not self.is_ready:
            return "not Ready"
        why = self.network_problem
        return f"its network does not work: {why}" if why else ""


@dataclass(frozen=True)
class Change:
    """Something to do for a node."""

    verb: Verb
    node: str


# How it ends what is said of a node that has failed.
_CLOSED, _OPEN = "; takes no new pods", "; takes pods as before"
# What a host has done that has answered.
_DONE = {State.UPGRADING: "runs the release", State.RUNNING: "has run it"}

# What a node is at before the first batch begins.
_BEFORE = frozenset({State.FETCHING, State.WAITING, State.SKIPPED})

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
    is_short = waiting or any(node.state is State.RELEASED for node in run.nodes)
    if run.is_aborted and is_short:
        return replace(run, phase=Phase.ABORTED)
    if not waiting:
        return replace(run, phase=Phase.SUCCEEDED)
    if run.is_paused:
        return replace(run, phase=Phase.PAUSED)
    if not run.may_begin(now):
        return replace(run, phase=Phase.PENDING)
    canary = next((node for node in waiting if node.name == run.canary), None)
    if canary and (why := _unfit(seen.get(canary.name))):
        return _with(run, replace(canary, state=State.FAILED, message=why, since=now))
    if fetching := tuple(_fetches(run, waiting, seen, now)):
        return _with(run, *fetching)
    first = seen.get(waiting[0].name)
    # To a later release control-plane hosts go before any worker.
    if canary and not (first and first.is_control_plane):
        waiting = [canary]
    return _with(run, *_batch(run, waiting, seen, now))


def _with(run: Run, *changed: NodeProgress) -> Run:
    """Return it under way, with these nodes as they are now."""
    new = {node.name: node for node in changed}
    nodes = tuple(new.get(node.name, node) for node in run.nodes)
    return replace(run, nodes=nodes, phase=Phase.RUNNING)


def _unfit(at: SeenNode | None) -> str | None:
    """Say why a node can be nobody's canary."""
    if at is None:
        return "there is no such node"
    if not at.is_ready:
        return "is not Ready"
    if at.is_control_plane:
        return "is a control-plane host, and no worker"
    return "is cordoned, so no pods would try it" if at.is_cordoned and not at.is_ours else None


def _fetches(
    run: Run, waiting: list[NodeProgress], seen: Seen, now: datetime
) -> Iterator[NodeProgress]:
    """Yield the nodes whose hosts get the bundle next; none once a batch has begun.

    One of them that is off is passed over, or stops it all, before anything begins.
    """
    if not run.has_source or any(node.state not in _BEFORE for node in run.nodes):
        return
    lacking = {
        node: seen.get(node.name)
        for node in waiting
        if (at := seen.get(node.name)) is None or run.release not in at.bundles
    }
    off = {node: at for node, at in lacking.items() if at is None or not at.is_ready}
    for node, at in off.items():
        state = State.SKIPPED if _may_be_skipped(run, at) else State.FAILED
        yield replace(node, state=state, message=_absence(run, at) or "", since=now)
    if not off:
        for node in list(lacking)[:MOST_FETCHES]:
            yield replace(node, state=State.FETCHING, message="", since=now)


def _may_be_skipped(run: Run, at: SeenNode | None) -> bool:
    """Tell whether one that is off is; workers never go to a release before their control plane."""
    is_off, is_plane = at is None or not at.is_ready, at is not None and at.is_control_plane
    return run.skips_offline and is_off and not (run.release and is_plane)


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
        why, is_plane = _absence(run, at), at is not None and at.is_control_plane
        is_full = count == run.size or (is_plane and count)
        may_be_skipped = _may_be_skipped(run, at)
        if is_full or (why and count and not may_be_skipped):
            return
        if why:
            state = State.SKIPPED if may_be_skipped else State.FAILED
            yield replace(node, state=state, message=why, since=now)
            if not may_be_skipped:
                return
            continue
        yield replace(node, state=State.DRAINING, message="", since=now)
        count += 1
        if is_plane:
            return


def _absence(run: Run, at: SeenNode | None) -> str | None:
    """Say why nothing can be done with a node."""
    if at is None:
        return "there is no such node"
    if not at.is_ready:
        return "is not Ready"
    if run.release and run.release not in at.bundles:
        return f"has no bundle {run.release}"
    return None if at.boot else "tells no id of its boot"


def _advanced(
    node: NodeProgress, run: Run, at: SeenNode | None, now: datetime, *, may_empty: bool
) -> _Next:
    if at is None:
        return replace(node, state=State.FAILED, message="the node is gone", since=now), None
    passed = now - (node.since or now)
    if node.state is State.FETCHING:
        return _fetched(node, run, at, now, passed=passed)
    if node.state is State.DRAINING:
        return _drained(node, run, at, now, passed=passed, may_empty=may_empty)
    if node.state is State.REBOOTING:
        return _rebooted(node, run, at, now, passed=passed)
    if node.state is State.PROVING:
        return _proven(node, run, at, now, passed=passed)
    return _answered(node, run, at, now, passed=passed)


def _fetched(
    node: NodeProgress, run: Run, at: SeenNode, now: datetime, *, passed: timedelta
) -> _Next:
    """Go on once the host has the bundle, and its runtime the images.

    Until then nothing of its Node is changed but what it is asked for.
    """
    is_there = run.release in at.bundles
    if (is_there or run.is_aborted) and not _has_failed(node):
        if at.is_asked:
            return node, Verb.WITHDRAW
        state = State.WAITING if is_there else State.RELEASED
        return replace(node, state=state, message="", since=None), None
    why_not = f"{run.ask}: "
    if at.fetched.startswith(why_not):
        return _failed(node, at, at.fetched.removeprefix(why_not), now)
    if passed >= run.step or _has_failed(node):
        has_come = at.fetched == run.ask
        why = "its runtime lacks the images" if has_come else f"has no bundle {run.release}"
        return _failed(node, at, f"{why} after {passed.total_seconds():.0f} s", now)
    return node, None if at.fetches == run.ask else Verb.ASK


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
    if run.keeps_pods:
        return _in_step(node, run.steps[0], at, now)
    is_empty = may_empty and at.pods == ()
    is_late = passed >= (run.drain + run.step if run.is_forced else run.drain)
    if is_late and not is_empty:
        why = f"not empty after {passed.total_seconds():.0f} s"
        said = node.message if node.message.startswith("not empty") else f"{why}: {node.message}"
        return _let_go(replace(node, message=said), at, State.FAILED, now)
    if not at.is_cordoned:
        return node, Verb.CORDON
    if is_empty:
        return _in_step(node, run.steps[0], at, now)
    if not may_empty or at.pods is None:
        return node, None
    return node, Verb.DELETE if run.is_forced and passed >= run.drain else Verb.EVICT


def _in_step(node: NodeProgress, state: State, at: SeenNode, now: datetime) -> _Next:
    return replace(node, state=state, message="", boot=at.boot, since=now), None


def _rebooted(
    node: NodeProgress, run: Run, at: SeenNode, now: datetime, *, passed: timedelta
) -> _Next:
    is_new = at.boot != node.boot
    if is_new and not at.unwell:
        return _let_go(node, at, _at_its_end(node, run), now)
    # Until its host is asked for this, what it was asked for before stands there.
    is_free = run.is_aborted and not is_new and at.asked != node.boot
    if is_free and not _has_failed(node):
        return _let_go(node, at, State.RELEASED, now)
    if passed >= run.step or _has_failed(node):
        why = at.unwell if is_new else "has not rebooted"
        return _failed(node, at, f"{why} after {passed.total_seconds():.0f} s", now)
    said = _not_yet("has rebooted", at) if is_new else ""
    return replace(node, message=said), None if is_new or at.asked == node.boot else Verb.ASK


def _answered(
    node: NodeProgress, run: Run, at: SeenNode, now: datetime, *, passed: timedelta
) -> _Next:
    """Go on by what the host says of a release, or of a command, that it was asked for.

    What reboots next does not have to be Ready before.
    """
    has_done, then = run.ask in at.answers, dict(pairwise(run.steps)).get(node.state)
    if has_done and then and not run.is_aborted:
        return _in_step(node, then, at, now)
    if has_done and then:
        return _let_go(node, at, State.RELEASED, now)
    if has_done and not at.unwell:
        return _let_go(node, at, _at_its_end(node, run), now)
    why_not = f"{run.ask}: "
    for answer in at.answers:
        if answer.startswith(why_not):
            return _failed(node, at, answer.removeprefix(why_not), now)
    if run.is_aborted and not at.asked and not _has_failed(node):
        return _let_go(node, at, State.RELEASED, now)
    if passed >= run.step or _has_failed(node):
        why = node.message or "no answer from its keeper"
        return _failed(node, at, f"{why} after {passed.total_seconds():.0f} s", now)
    said = _not_yet(_DONE[node.state], at) if has_done else ""
    return replace(node, message=said), None if at.asked == run.ask else Verb.ASK


def _not_yet(what: str, at: SeenNode) -> str:
    """Say what is waited for of a host that has done what it was asked for."""
    return f"{what}, is not Ready yet" if not at.is_ready else f"{what}; {at.unwell}"


def _at_its_end(node: NodeProgress, run: Run) -> State:
    """Return what becomes of a node with which all was done."""
    return State.PROVING if node.name == run.canary and not run.is_aborted else State.DONE


def _proven(
    node: NodeProgress, run: Run, at: SeenNode, now: datetime, *, passed: timedelta
) -> _Next:
    """Wait until a canary has been well for long enough; somebody may have named none by now."""
    if run.is_aborted or node.name != run.canary:
        return _let_go(node, at, State.DONE, now)
    if why := at.unwell or ", ".join(at.pressures):
        return _failed(node, at, f"{why}, {passed.total_seconds():.0f} s after it was done", now)
    if passed >= run.proves:
        return _let_go(node, at, State.DONE, now)
    until = timestamp.text(now - passed + run.proves)
    return replace(node, message=f"the others wait until {until}, while it is well"), None


def _failed(node: NodeProgress, at: SeenNode, why: str, now: datetime) -> _Next:
    """Go on once its host is asked no more: nobody is to go down later, when nobody expects it.

    New pods are kept away as before.
    """
    said = node.message if _has_failed(node) else f"{why}{_CLOSED if at.is_cordoned else _OPEN}"
    if at.is_asked:
        return replace(node, message=said), Verb.WITHDRAW
    return replace(node, state=State.FAILED, message=said, since=now), None


def _has_failed(node: NodeProgress) -> bool:
    """Tell whether a node is about to have failed, as it was written down."""
    return node.message.endswith((_CLOSED, _OPEN))


def _let_go(node: NodeProgress, at: SeenNode, then: State, now: datetime) -> _Next:
    """Go on once nothing of ours is left on the Node."""
    if at.is_ours or at.is_asked:
        return node, Verb.LET_GO
    message = node.message if then is State.FAILED else ""
    return replace(node, state=then, message=message, since=now), None
