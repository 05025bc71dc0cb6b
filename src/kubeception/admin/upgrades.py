"""ClusterUpgrades as an administrator has them: begun, looked at, paused, gone on with, aborted."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from kubeception import versions
from kubeception.bundle.install import installed
from kubeception.conditions.reading import condition_of, kubelet_version
from kubeception.conditions.upgrades import (
    age,
    bundle_of,
    is_on,
    is_open,
    listed,
    newest,
    phase,
)
from kubeception.config.cluster import ClusterSettings
from kubeception.controller import cluster_upgrade
from kubeception.controller.batches import Run
from kubeception.errors import ApiError, KubeceptionError, PreflightError, WaitTimeout
from kubeception.gather import node_name, remembered, settings
from kubeception.kube.client import CHANGED_MEANWHILE, Object
from kubeception.preflight import Finding, Severity
from kubeception.preflight.finding import warning
from kubeception.render import policies
from kubeception.render.cluster_upgrade import (
    KIND,
    MOST_NODES,
    READERS,
    Order,
    Phase,
    of_order,
)
from kubeception.render.cluster_upgrade import everything as definition
from kubeception.session import Session
from kubeception.versions import numbers

log = logging.getLogger("kubeception")

LOOK_EVERY_S = 2.0
# What definitions of before don't know, and what it is.
_NEW = {"previous": "way back", "canary": "canary"}
# So long an API may take to know a definition.
KNOWN_S = 20.0
# A worker's keeper looks for bundles every twenty.
TOLD_S = 30.0
# An API server's host may be one of those that reboot.
SILENT_S = 300.0
_STATUS = "kubeception upgrade status"
_STAGE = "on each such host: kubeception bundle import DIR --stage"


def begin(session: Session, order: Order) -> Object:
    """Ask for reboots, or for another release; return the object that says so.

    Raises:
        PreflightError: what speaks against it, all of it; nothing was changed.
    """
    found = session.api.list("Node")
    problems = [*_others(session.api.list(KIND)), *problems_of(order, found)]
    if problems:
        raise PreflightError(problems)
    if order.source and not session.api.get("ClusterRoleBinding", READERS):
        what = "the cluster's release has no hosts fetch a bundle yet"
        raise PreflightError([what], hint=_STAGE)
    if order.previous or order.source or order.canary:
        _define(session)
    if order.source:
        _require_known(session, order)
    asked = of_order(order)
    made, until_s = session.api.create(asked), session.host.clock.monotonic() + KNOWN_S
    new = [field for field in _NEW if field in asked["spec"]]
    while lost := [field for field in new if made["spec"].get(field) != asked["spec"][field]]:
        if session.host.clock.monotonic() > until_s:
            for field in lost:
                log.warning("%s: the API keeps no %s", made["metadata"]["name"], _NEW[field])
            break
        session.host.clock.sleep(LOOK_EVERY_S / 4)
        fields = {field: asked["spec"][field] for field in lost}
        read = partial(named, session, made["metadata"]["name"])
        made = _changed(session, read, fields) or made
    return made


def _define(session: Session) -> None:
    """Have the API know all of an order: the definition of an earlier release would drop some.

    Before it knows sources, whoever may not name one is kept from it. What an administrator has
    edited of that stays.
    """
    for one in policies.of_sources():
        if session.api.get(one["kind"], one["metadata"]["name"]) is None:
            session.api.apply(one)
    for one in definition():
        session.api.apply(one)


def _require_known(session: Session, order: Order) -> None:
    """Wait until the API keeps a source, which can't be said later: what is asked for stays.

    Raises:
        KubeceptionError: it does not; nothing was asked for.
    """
    clock = session.host.clock
    tried = {**of_order(order), "metadata": {"name": "tried"}}
    until_s = clock.monotonic() + KNOWN_S
    while "source" not in session.api.apply(tried, dry_run=True)["spec"]:
        if clock.monotonic() > until_s:
            raise KubeceptionError("the API keeps no source of a bundle", hint=_STAGE)
        clock.sleep(LOOK_EVERY_S / 4)


def passed_over(order: Order, found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return what a plan has found, and as warnings what the order says to pass over."""
    names = {"NodeReady"} if order.skips_offline else set()
    if order.keeps_pods or order.is_forced:
        names.add("PodDisruptionBudget")
    return tuple(
        warning(one.check, f"{one.problem}; is passed over", one.hint)
        if one.check in names
        else one
        for one in found
    )


def require(session: Session, order: Order, found: Sequence[Finding]) -> None:
    """Let an upgrade begin that nothing speaks against.

    Raises:
        PreflightError: what does, all of it: of what a plan has found, and bundles that hosts lack.
    """
    nodes, errors = (
        session.api.list("Node"),
        [one for one in found if one.severity is Severity.ERROR],
    )
    unfit, missing = list(_unfit_canary(order, nodes)), list(_without_bundle(order, nodes))
    if missing and not (errors or unfit):
        missing = _untold(session, order)
    if errors or missing or unfit:
        hints = [*(one.hint for one in errors), *[_STAGE] * bool(missing)]
        raise PreflightError([*map(str, errors), *missing, *unfit], hints=hints)


def _untold(session: Session, order: Order) -> list[str]:
    """Return which hosts lack a bundle, once their keepers have had time to tell of a new one."""
    clock = session.host.clock
    until_s = clock.monotonic() + TOLD_S
    log.info("waiting up to %.0f s for all hosts to tell that they have %s", TOLD_S, order.release)
    while missing := list(_without_bundle(order, session.api.list("Node"))):
        if clock.monotonic() > until_s:
            break
        clock.sleep(LOOK_EVERY_S)
    return missing


def not_on(release: str, kubernetes: str, nodes: Iterable[Object]) -> tuple[str, ...]:
    """Return the nodes whose hosts don't run a release yet, or have not come to its end."""
    return tuple(one["metadata"]["name"] for one in nodes if not is_on(release, kubernetes, one))


def needing_reboot(session: Session, names: Sequence[str]) -> tuple[str, ...]:
    """Return the nodes, of these or of all, whose hosts want to reboot; and names that are none."""
    there = {one["metadata"]["name"]: one for one in session.api.list("Node")}
    wanted = names or tuple(there)
    return tuple(
        one for one in wanted if one not in there or cluster_upgrade.needs_reboot(there[one])
    )


def problems_of(order: Order, nodes: Iterable[Object]) -> Iterator[str]:
    """Yield what is wrong with an order in a cluster of these nodes."""
    there = {one["metadata"]["name"]: one for one in nodes}
    wanted = order.nodes or tuple(there)
    if len(wanted) > MOST_NODES:
        yield f"{len(wanted)} nodes are more than {MOST_NODES}"
    for name in wanted:
        if name not in there:
            yield f"node {name}: there is none of that name"
        elif not condition_of(there[name], "Ready") and not order.skips_offline:
            yield f"node {name}: is not Ready; --offline skip passes it over"
    yield from _without_bundle(order, there.values())
    yield from _unfit_canary(order, there.values())


def _unfit_canary(order: Order, nodes: Iterable[Object]) -> Iterator[str]:
    there = {one["metadata"]["name"]: one for one in nodes}
    if order.canary is None:
        return
    what = f"canary {order.canary}"
    if order.canary not in there:
        yield f"{what}: there is no node of that name"
        return
    at = cluster_upgrade.seen(there[order.canary])
    if at.is_control_plane:
        yield f"{what}: is a control-plane host; name a worker"
    elif order.nodes and order.canary not in order.nodes:
        is_there = f"runs {order.release} already; name another worker, or none"
        yield f"{what}: {is_there if order.release else 'is none of the nodes that are named'}"
    elif at.is_cordoned and not at.is_ours:
        yield f"{what}: is cordoned, so no pods would try it; kubectl uncordon {order.canary}"


def _without_bundle(order: Order, nodes: Iterable[Object]) -> Iterator[str]:
    if order.source:
        return
    for one in nodes:
        name, at = one["metadata"]["name"], cluster_upgrade.seen(one)
        is_one = not order.nodes or name in order.nodes
        is_passed_over = order.skips_offline and not (at.is_ready or at.is_control_plane)
        if order.release and is_one and not is_passed_over and order.release not in at.bundles:
            yield f"node {name}: its host has no bundle {order.release}, or not its images yet"


def _others(found: Iterable[Object]) -> Iterator[str]:
    for one in filter(is_open, found):
        yield f"{one['metadata']['name']} is under way; see: {_STATUS}"


def latest(session: Session) -> Object | None:
    """Return the one that is under way, else the newest one."""
    return _latest(session.api.list(KIND))


def _latest(every: Sequence[Object]) -> Object | None:
    return _under_way(every) or max(every, key=age, default=None)


def _under_way(every: Iterable[Object]) -> Object | None:
    """Return the one whose turn it is: of those that are open, the oldest."""
    return min(filter(is_open, every), key=age, default=None)


def notices(session: Session) -> Iterator[str]:
    """Yield what is under way, or has stopped, was passed over, or can be gone back from."""
    every, nodes = listed(session.api), session.api.list("Node")
    found, last = _latest(every), newest(every)
    at = phase(found) if found else None
    has_stopped = at is Phase.FAILED and any(cluster_upgrade.seen(one).is_ours for one in nodes)
    if found and at and (has_stopped or not at.is_end):
        yield f"{found['metadata']['name']}: {cluster_upgrade.message(found) or at}; {_STATUS}"
    if at is None or at.is_end:
        yield from _left_behind(
            nodes, node_name(session), versions.of(session.layout.bundle).kubernetes
        )
    there = settings(session) if last else None
    if last and there and there.emulates:
        back = "; kubeception upgrade abort goes back" if "previous" in last["spec"] else ""
        yield (
            f"the control plane passes for Kubernetes {there.emulates}, until the upgrade from it"
            f" is over and proven{back}"
        )


def _left_behind(nodes: Iterable[Object], here: str, kubernetes: str) -> Iterator[str]:
    """Yield whose hosts use another bundle than this one, and a kubelet of an earlier version."""
    by_name = {one["metadata"]["name"]: one for one in nodes}
    own = bundle_of(by_name[here]) if here in by_name else ""
    earlier = [
        f"{name} ({version.removeprefix('v')})"
        for name, one in sorted(by_name.items())
        if own
        and bundle_of(one) not in {"", own}
        and () < numbers(version := kubelet_version(one)) < numbers(kubernetes)
    ]
    if earlier:
        yield (
            f"not all nodes run Kubernetes {kubernetes}: {', '.join(earlier)};"
            " kubeception upgrade apply takes them there"
        )


def named(session: Session, name: str) -> Object:
    """Return one of them.

    Raises:
        KubeceptionError: it is gone.
    """
    found = session.api.get(KIND, name)
    if found is None:
        raise KubeceptionError(f"{KIND} {name} is gone", hint=_STATUS)
    return found


def previous(session: Session, release: str, there: str | None) -> str | None:
    """Return the release to go back to from another; `there` is the one that this host runs.

    Who goes on with what has stopped may run the other one already.
    """
    if there != release:
        return there
    last = newest(one for one in listed(session.api) if one["spec"].get("version") == release)
    known: str | None = last["spec"].get("previous") if last else None
    if last is None or known is None or phase(last) is Phase.SUCCEEDED:
        return None
    return known if _reads(known, settings(session)) else None


def _reads(before: str, there: ClusterSettings | None) -> bool:
    """Tell whether a release of before can read all that a cluster's API serves by now."""
    return there is None or numbers(before)[:2] >= numbers(there.oldest)


def abort(session: Session) -> str:
    """End the one that is under way, or go back from the last one; say what comes of it.

    One that takes hosts back from another is not ended: it is what an abort comes to.

    Raises:
        KubeceptionError: nothing is under way, and from the last one nothing goes back.
    """
    every = session.api.list(KIND)
    if (back := _under_way(every)) and cluster_upgrade.is_way_back(back, every):
        return f"{back['metadata']['name']}: goes back to {back['spec']['version']} already"
    if found := _changed(session, lambda: _under_way(session.api.list(KIND)), {"aborted": True}):
        then = "ends as soon as no host is under way"
        goes_back = ", then who has gone on goes back" if "previous" in found["spec"] else ""
        return f"{found['metadata']['name']}: {then}{goes_back}"
    found = newest(session.api.list(KIND))
    if found is None or "previous" not in found["spec"]:
        has_stopped = found is not None and phase(found) in {Phase.FAILED, Phase.ABORTED}
        on = f"kubeception upgrade apply {found['spec']['version']}" if found else ""
        raise KubeceptionError("nothing is under way", hint=on if has_stopped else _STATUS)
    _require_way_back(session, found)
    nodes = session.api.list("Node")
    back = cluster_upgrade.way_back(found, nodes)
    if back is None:
        raise KubeceptionError("nothing is under way, and no host has gone on", hint=_STATUS)
    if lost := list(_lost(session, back, nodes)):
        raise PreflightError(lost, hint=_STAGE)
    session.api.create(back)
    return f"{back['metadata']['name']}: goes back to {back['spec']['version']}"


def _lost(session: Session, back: Object, nodes: Iterable[Object]) -> Iterator[str]:
    """Yield which hosts have no bundle to go back to; what this one's keeper told may be old."""
    spec = back["spec"]
    names, release = tuple(spec["nodes"]), spec["version"]
    skips = spec["offline"] == "skip"
    yield from _without_bundle(Order(names, release, skips_offline=skips), nodes)
    is_ours = remembered(session).node in names
    if is_ours and release not in {one.name for one in installed(session.host.root)}:
        yield f"this host has no bundle {release}"


def _require_way_back(session: Session, found: Object) -> None:
    """Let one be gone back from that has stopped, or is over and has not proven itself yet."""
    name, before = found["metadata"]["name"], found["spec"]["previous"]
    there = settings(session)
    is_on_trial = there is not None and there.emulates
    if phase(found) is Phase.SUCCEEDED and not is_on_trial:
        hint = f"kubeception upgrade apply {before}" if _reads(before, there) else _STATUS
        raise KubeceptionError(f"{name} has ended well, so nothing is under way", hint=hint)
    if there and not _reads(before, there):
        what = f"{name}: the API serves what {there.oldest} has brought, which no {before} reads"
        raise KubeceptionError(what, hint="mend what has failed, then: kubeception upgrade apply")


def change(session: Session, **wanted: bool) -> str:
    """Pause or resume the one that is under way; return its name.

    Raises:
        KubeceptionError: none is.
    """
    found = _changed(session, lambda: _under_way(session.api.list(KIND)), wanted)
    if found is None:
        raise KubeceptionError("nothing is under way", hint=_STATUS)
    name: str = found["metadata"]["name"]
    return name


def _changed(
    session: Session, read: Callable[[], Object | None], wanted: Mapping[str, Any]
) -> Object | None:
    """Set fields of what is read, if it is there; the controller writes its status all the while.

    Raises:
        ApiError: the API refuses that, whoever else writes.
    """
    fields = {f"/spec/{field}": value for field, value in wanted.items()}
    until_s = session.host.clock.monotonic() + KNOWN_S
    seen = None
    while found := read():
        try:
            return session.api.set_fields(found, fields)
        except ApiError as error:
            version = found["metadata"]["resourceVersion"]
            is_late = session.host.clock.monotonic() > until_s
            if error.status not in CHANGED_MEANWHILE or version == seen or is_late:
                raise
            seen = version
    return None


def following(session: Session, name: str) -> Iterator[Run]:
    """Yield how far it is whenever that is new, to its end.

    Raises:
        KubeceptionError: it is gone.
        WaitTimeout: the API has said nothing for long.
    """
    clock, last, answered_s = session.host.clock, None, session.host.clock.monotonic()
    while True:
        try:
            run = cluster_upgrade.of(named(session, name))
        except ApiError as error:
            session.hang_up()  # our credential may have expired
            if clock.monotonic() - answered_s >= SILENT_S:
                raise WaitTimeout(f"{KIND} {name}", error.message, hint=_STATUS) from error
        else:
            answered_s = clock.monotonic()
            if run != last:
                yield run
            last = run
            if run.phase.is_end:
                return
        clock.sleep(LOOK_EVERY_S)


def news(before: Run | None, after: Run) -> Iterator[str]:
    """Yield what is new of each node, and of all of it, as lines."""
    known = {one.name: cluster_upgrade.words(one) for one in before.nodes} if before else {}
    for one in after.nodes:
        said = cluster_upgrade.words(one)
        if one.since and known.get(one.name) != said:
            yield f"node {one.name}: {said}"
    if after.phase is Phase.PAUSED and (before is None or before.phase is not Phase.PAUSED):
        yield "paused: kubeception upgrade resume goes on"
    if after.window and _waits_for_its_time(after) and not (before and _waits_for_its_time(before)):
        yield f"the next batch begins within {after.window}"


def _waits_for_its_time(run: Run) -> bool:
    """Tell it from one that nobody has looked at yet, whose nodes nobody has counted."""
    return run.phase is Phase.PENDING and bool(run.nodes)
