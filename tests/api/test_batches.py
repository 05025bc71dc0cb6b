"""Nodes in batches, to a reboot or another release, in a real API and by the controller's rights.

The hosts are simulated: where a Node asks for the end of a boot, or for a release, the test says
what a kubelet and a keeper say before and after.
"""

import contextlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.api import pods
from tests.api.rig import Rig
from tests.api.test_controller import account, running
from tests.conftest import Note
from tests.fixed import SETTINGS
from tests.killed import ratchet

from kubeception import crash, timestamp
from kubeception.admin import upgrades
from kubeception.config.cluster import ClusterSettings
from kubeception.controller import cluster_upgrade
from kubeception.controller.batches import Run, SeenNode, State
from kubeception.controller.upgrades import Upgrades
from kubeception.errors import ApiError, KubeceptionError, PreflightError
from kubeception.facts import Identity
from kubeception.host import files
from kubeception.kept import identity
from kubeception.kube.client import Api, Object, TokenFile
from kubeception.kube.lease import Lease
from kubeception.render import cluster_controller, cluster_settings, policies
from kubeception.render.cluster_upgrade import (
    BUNDLES_NOTE,
    CORDONED_NOTE,
    KIND,
    NEEDED_NOTE,
    NOTES,
    ORDER_NOTE,
    READERS,
    REBOOT_NOTE,
    Errand,
    Order,
    Phase,
    of_order,
    source_of,
)
from kubeception.render.cluster_upgrade import everything as definition
from kubeception.render.objects import CONTROL_PLANE, NAMESPACE
from kubeception.render.window import Window
from kubeception.session import Session
from kubeception.source import Source
from kubeception.versions import BUILT_IN, Release

HOME = "rebooted"
_LEASE = cluster_controller.LEASE
LABELS = {"app": "kept"}
FEW = ("b1", "b2", "b3")
IS_SOAK = "KUBECEPTION_SOAK" in os.environ
SIZES = (10, 100, 1000) if IS_SOAK else (10, 50)


@pytest.fixture(scope="module", autouse=True)
def applied(rig: Rig) -> None:
    """Accounts, rights, policies, the Lease and the definition, as bootstrap makes them."""
    rig.apply_everything()
    with rig.session() as session:
        home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}}
        session.api.apply(home)
        rig.until(
            "its account",
            lambda: session.api.get("ServiceAccount", "default", namespace=HOME) is not None,
        )
        rig.until("the kind to be served", lambda: _is_served(session.api))


def _is_served(api: Api) -> bool:
    with contextlib.suppress(ApiError):
        api.list(KIND)
        return True
    return False


@pytest.fixture(autouse=True)
def clean(session: Session) -> Iterator[None]:
    yield
    api = session.api
    for kind, namespace in ((KIND, None), ("PodDisruptionBudget", HOME)):
        for one in api.list(kind, namespace=namespace):
            api.delete(kind, one["metadata"]["name"], namespace=namespace)
    for pod in api.list("Pod", namespace=HOME):
        api.delete("Pod", pod["metadata"]["name"], namespace=HOME, grace_s=0)
    for node in api.list("Node"):
        api.delete("Node", node["metadata"]["name"])


class Counting(Api):
    """An API that counts what it is asked."""

    def __init__(self, *how: Any) -> None:
        super().__init__(*how)
        self.asked = Counter[str]()

    def _answered(self, method: str, path: str, *rest: Any, **query: Any) -> Any:
        self.asked[f"{method} {path.split('/')[-1]}"] += 1
        return super()._answered(method, path, *rest, **query)


@pytest.fixture
def controllers(rig: Rig, tmp_path: Path) -> Iterator[Counting]:
    """The API with the controller's own token."""
    token = account(rig, cluster_controller.NAME, tmp_path)
    ca = rig.session().layout.pki.ca.certificate
    with contextlib.closing(
        Counting(f"https://127.0.0.1:{rig.ports.api}", ca, TokenFile(token))
    ) as api:
        yield api


def leading() -> Lease:
    """Return the controllers' Lease as a process has it that is just beginning."""
    return Lease(cluster_controller.LEASE, "test", namespace=NAMESPACE, manager="test")


def look(api: Api, lease: Lease) -> None:
    """Have a controller look once that remembers nothing."""
    assert lease.hold(api)
    Upgrades(lease).look(api)


def node(api: Api, name: str, *, is_ready: bool = True, **spec: Any) -> None:
    api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": spec})
    says(api, name, f"{name}-0", is_ready=is_ready, **_INFO)


def says(api: Api, name: str, boot: str, *, is_ready: bool, **info: str) -> None:
    """Say what a kubelet would."""
    ready = {"type": "Ready", "status": str(is_ready), "reason": "KubeletSaysSo"}
    status = {"conditions": [ready], "nodeInfo": {**info, "bootID": boot}}
    api.merge("Node", name, {"status": status}, status=True)


_INFO = dict.fromkeys(
    (
        *("architecture", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion"),
        *("kubeletVersion", "machineID", "operatingSystem", "osImage", "systemUUID"),
    ),
    "none",
)


pod = partial(pods.running, namespace=HOME, labels=LABELS)


def budget(rig: Rig, api: Api) -> None:
    """Let none of the pods be evicted."""
    api.create(
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "all", "namespace": HOME},
            "spec": {"maxUnavailable": "0%", "selector": {"matchLabels": LABELS}},
        }
    )

    def is_counted() -> bool:
        found = api.get("PodDisruptionBudget", "all", namespace=HOME) or {}
        return bool(found.get("status", {}).get("observedGeneration"))

    rig.until("the budget to be counted", is_counted)


OLD, NEW = "1.36.4-0123", "1.37.1-4567"
COMMAND = "patch"
KUBELETS = {OLD: "v1.36.4", NEW: "v1.37.1"}


def has(api: Api, name: str, *bundles: str, **notes: str) -> None:
    """Say what a host's keeper would of its bundles."""
    said = {BUNDLES_NOTE: " ".join(bundles), **notes}
    api.merge("Node", name, {"metadata": {"annotations": said}})


def staged(api: Api, *names: str) -> None:
    """Have nodes whose hosts run a release and have another one."""
    for name in names:
        node(api, name)
        says(api, name, f"{name}-0", is_ready=True, kubeletVersion=KUBELETS[OLD])
        has(api, name, OLD, NEW)


ASKS = {*NOTES} - {CORDONED_NOTE, ORDER_NOTE}
SOURCE = Source("http://192.0.2.1/new", "ab" * 32)


class Hosts:
    """Hosts that do what they are asked to, but for some that are off, or can't."""

    def __init__(
        self, api: Api, *, off: tuple[str, ...] = (), broken: tuple[str, ...] = ()
    ) -> None:
        self._api = api
        self._off = off
        self._broken = broken
        self.most_at_once = 0
        self.upgraded: list[str] = []
        self.fetched: list[str] = []
        self.ran: list[str] = []

    def go_on(self) -> None:
        """Have all say that they are well, and have go down who is asked to."""
        asked = 0
        for found in self._api.list("Node"):
            name, at = found["metadata"]["name"], cluster_upgrade.seen(found)
            if name in self._off:
                continue
            notes = found["metadata"].get("annotations") or {}
            assert sum(note in notes for note in ASKS) <= 1, "a host is asked for one thing"
            if at.fetches and not at.fetched.startswith(at.fetches):
                asked += 1
                self._fetch(name, at, notes)
            elif at.asked and at.asked == at.boot:
                assert left(self._api, name) == []
                asked += 1
                says(self._api, name, f"{name}-{count(at.boot) + 1}", is_ready=False)
            elif "/" in at.asked and not any(one.startswith(at.asked) for one in at.answers):
                assert left(self._api, name) == []
                asked += 1
                self._run_errand(name, at)
            elif not at.is_ready:
                says(self._api, name, at.boot, is_ready=True)
        self.most_at_once = max(self.most_at_once, asked)

    def _fetch(self, name: str, at: SeenNode, notes: Object) -> None:
        """Say what a host and its keeper do that have been at fetching a bundle."""
        run, _, wanted = at.fetches.partition("/")
        found = self._api.get(KIND, notes[ORDER_NOTE])
        assert found
        assert (found["metadata"]["uid"], source_of(found)) == (run, SOURCE)
        is_broken = name in self._broken
        answer = f"{at.fetches}: error: the server answers 404" if is_broken else at.fetches
        bundles = at.bundles if is_broken else (*at.bundles, wanted)
        has(self._api, name, *bundles, **{Errand.FETCH.answer: answer})
        self.fetched.append(name)

    def _run_errand(self, name: str, at: SeenNode) -> None:
        """Say what a host and its keeper do that have been at a release or a command."""
        answer = f"{at.asked}: error: no room" if name in self._broken else at.asked
        wanted = at.asked.partition("/")[2]
        if wanted == COMMAND:
            has(self._api, name, *at.bundles, **{Errand.COMMAND.answer: answer})
            self.ran.append(name)
            return
        [other] = {OLD, NEW} - {wanted}
        has(self._api, name, wanted, other, **{Errand.RELEASE.answer: answer})
        self.upgraded.append(name)
        says(self._api, name, at.boot, is_ready=False, kubeletVersion=KUBELETS[wanted])


def lacking(api: Api, *names: str) -> None:
    """Have nodes whose hosts run a release and lack the other one."""
    staged(api, *names)
    for name in names:
        has(api, name, OLD)


def count(boot: str) -> int:
    """Return how often a host has gone down, by the id of its boot."""
    return int(boot.rpartition("-")[2])


def downs(session: Session) -> dict[str, int]:
    """Return how often each host has gone down."""
    found = session.api.list("Node")
    return {one["metadata"]["name"]: count(cluster_upgrade.seen(one).boot) for one in found}


def left(api: Api, on: str) -> list[str]:
    found = api.list("Pod", fields={"spec.nodeName": on})
    return [one["metadata"]["name"] for one in found]


def order(session: Session, *names: str, **more: Any) -> str:
    """Ask for something, in a later second than before: the newest counts, by the API's time."""
    made = (one["metadata"]["creationTimestamp"] for one in session.api.list(KIND))
    before = max(made, default="")
    while timestamp.text(datetime.now(UTC)) <= before:
        time.sleep(0.02)
    name: str = upgrades.begin(session, Order(names, **more))["metadata"]["name"]
    return name


def seen_of(session: Session, name: str) -> SeenNode:
    found = session.api.get("Node", name)
    assert found
    return cluster_upgrade.seen(found)


def told(session: Session, name: str) -> Object:
    found = session.api.get(KIND, name)
    assert found
    return found


def way_back(session: Session, name: str) -> str:
    """Return what the way back from one is called."""
    end = f"-back-{told(session, name)['metadata']['uid'][:8]}"
    return f"{name[: 253 - len(end)]}{end}"


def states(session: Session, name: str) -> dict[str, str]:
    return {one["name"]: one["state"] for one in told(session, name)["status"]["nodes"]}


def to_its_end(session: Session, api: Api, name: str, hosts: Hosts | None = None) -> str:
    """Look, and have hosts go on, until it has ended; return its message."""
    lease, hosts = leading(), hosts or Hosts(session.api)
    look(api, lease)
    while not is_over(session, name):
        hosts.go_on()
        look(api, lease)
    lease.release(api)
    return cluster_upgrade.message(told(session, name))


def is_over(session: Session, name: str) -> bool:
    return cluster_upgrade.of(told(session, name)).phase.is_end


def events(session: Session, name: str) -> list[Object]:
    """Return the Events of an order; a slow API server has some about objects without a name."""
    fields = {"involvedObject.name": name}
    return session.api.list("Event", namespace="default", fields=fields)


def marks(session: Session) -> dict[str, tuple[bool, bool]]:
    """Return of each node whether it is cordoned, and whether anything of ours is on it."""
    found = {}
    for one in session.api.list("Node"):
        notes = one["metadata"].get("annotations") or {}
        is_noted = bool({*NOTES} & notes.keys())
        found[one["metadata"]["name"]] = (one["spec"].get("unschedulable", False), is_noted)
    return found


FREE = (False, False)


def test_nodes_reboot_in_batches_and_take_pods_as_before(
    session: Session, controllers: Counting
) -> None:
    for name in FEW:
        node(session.api, name, unschedulable=name == "b2")
        pod(session.api, f"on-{name}", on=name)
    hosts = Hosts(session.api)
    name = order(session, *FEW, batch=2)

    said = to_its_end(session, controllers, name, hosts)

    assert said == "all nodes have rebooted"
    assert downs(session) == dict.fromkeys(FEW, 1)
    assert hosts.most_at_once == 2
    assert marks(session) == {"b1": FREE, "b2": (True, False), "b3": FREE}
    assert told(session, name)["status"]["done"] == "3/3"
    assert sorted((one["reason"], one["message"]) for one in events(session, name)) == [
        ("BatchBegun", "b1, b2"),
        ("BatchBegun", "b3"),
        ("Succeeded", said),
    ]


@pytest.mark.timeout(2400 if IS_SOAK else 240)
@pytest.mark.parametrize("release", [None, NEW])
def test_what_a_node_costs_does_not_depend_on_how_many_there_are(
    session: Session, controllers: Counting, note: Note, release: str | None
) -> None:
    # With a thousand it takes longer than a superuser's credential lasts.
    session.client = session.layout.pki.admin
    costs = [cost(session, controllers, note, size=size, release=release) for size in SIZES]

    assert max(costs) <= 20
    assert max(costs) <= min(costs) * 1.1


def cost(
    session: Session, controllers: Counting, note: Note, *, size: int, release: str | None
) -> float:
    """Return how many calls a node takes, with a pod on each, five at a time."""
    names = tuple(f"of{size}-{n}" for n in range(size))
    staged(session.api, *names)
    for name in names:
        pod(session.api, f"on-{name}", on=name)
    began = time.monotonic()
    controllers.asked.clear()

    to_its_end(session, controllers, order(session, *names, batch=5, release=release))

    assert {downs(session)[one] for one in names} == {0 if release else 1}
    if release:
        assert upgrades.not_on(NEW, "1.37.1", session.api.list("Node")) == ()
    # How often it says that it leads depends on the time that all takes.
    asked = {what: n for what, n in controllers.asked.items() if _LEASE not in what}
    per_node = sum(asked.values()) / size
    took_s = time.monotonic() - began
    what = f"go to {release}" if release else "reboot"
    note(f"{size} nodes {what}: {per_node:.1f} calls for each, in {took_s:.1f} s")
    return per_node


def test_a_budget_that_does_not_give_way_stops_it_and_the_node_takes_pods_again(
    rig: Rig, session: Session, controllers: Counting
) -> None:
    for name in FEW:
        node(session.api, name)
        pod(session.api, f"on-{name}", on=name)
    budget(rig, session.api)
    name = order(session, *FEW, drain_s=5)

    said = to_its_end(session, controllers, name)

    assert "b1 failed: not empty after" in said
    assert f"{HOME}/on-b1: Cannot evict pod" in said
    assert states(session, name) == {"b1": "Failed", "b2": "Waiting", "b3": "Waiting"}
    assert marks(session) == dict.fromkeys(FEW, FREE)
    assert left(session.api, "b1") == ["on-b1"]


def test_force_ends_pods_that_their_budget_keeps(
    rig: Rig, session: Session, controllers: Counting
) -> None:
    node(session.api, "b1")
    pod(session.api, "on-b1", on="b1")
    budget(rig, session.api)
    name = order(session, "b1", drain_s=5, is_forced=True)

    assert to_its_end(session, controllers, name) == "all nodes have rebooted"


def test_a_host_that_does_not_come_back_stops_it_and_stays_cordoned(
    session: Session, controllers: Counting
) -> None:
    for name in FEW:
        node(session.api, name)

    name = order(session, *FEW, step_s=5)
    said = to_its_end(session, controllers, name, Hosts(session.api, off=("b1",)))

    assert "b1 failed: has not rebooted after" in said
    assert marks(session)["b1"][0]
    found = session.api.get("Node", "b1")
    assert found
    assert REBOOT_NOTE not in found["metadata"]["annotations"], "it would go down some day"
    # The next one takes it up, and it takes pods again.
    to_its_end(session, controllers, order(session, *FEW))
    assert marks(session) == dict.fromkeys(FEW, FREE)


def test_a_node_that_a_person_has_opened_is_held_no_more(
    session: Session, controllers: Counting
) -> None:
    """Who closes it again has reasons of his own."""
    for name in FEW:
        node(session.api, name)
    failed = order(session, *FEW, step_s=5)
    to_its_end(session, controllers, failed, Hosts(session.api, off=("b1",)))
    assert marks(session)["b1"] == (True, True)
    assert [said.partition(":")[0] for said in upgrades.notices(session)] == [failed]

    session.api.merge("Node", "b1", {"spec": {"unschedulable": None}})

    assert list(upgrades.notices(session)) == []
    look(controllers, leading())
    assert marks(session)["b1"] == FREE
    session.api.merge("Node", "b1", {"spec": {"unschedulable": True}})
    to_its_end(session, controllers, order(session, *FEW))
    assert marks(session) == dict.fromkeys(FEW, FREE) | {"b1": (True, False)}


def test_nodes_that_an_upgrade_has_passed_over_are_told(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not those that are later, nor whose hosts use the same bundle, or none, beside a kubelet."""
    monkeypatch.setattr(upgrades, "node_name", lambda _session: "here")
    of_hosts = {
        "here": (f"v{BUILT_IN.kubernetes}", NEW),
        "b1": (KUBELETS[OLD], OLD),
        "b2": ("v1.99.0", OLD),
        "b3": (KUBELETS[OLD], NEW),
        "b4": (KUBELETS[OLD], ""),
    }
    for name, (version, bundle) in of_hosts.items():
        node(session.api, name)
        says(session.api, name, f"{name}-0", is_ready=True, kubeletVersion=version)
        has(session.api, name, bundle)

    assert list(upgrades.notices(session)) == [
        f"not all nodes run Kubernetes {BUILT_IN.kubernetes}: b1 (1.36.4);"
        " kubeception upgrade apply takes them there"
    ]

    order(session, "b1")
    [under_way] = upgrades.notices(session)
    assert "not all nodes" not in under_way


def test_an_abort_lets_go_what_was_not_asked_and_a_pause_ends_with_its_batch(
    rig: Rig, session: Session, controllers: Counting
) -> None:
    for name in FEW:
        node(session.api, name)
    pod(session.api, "on-b2", on="b2")
    budget(rig, session.api)
    hosts, lease = Hosts(session.api), leading()
    name = order(session, *FEW)

    look(controllers, lease)
    assert upgrades.change(session, paused=True) == name
    for _ in range(3):
        hosts.go_on()
        look(controllers, lease)
    assert told(session, name)["status"]["phase"] == "Paused"
    assert states(session, name) == {"b1": "Done", "b2": "Waiting", "b3": "Waiting"}
    with pytest.raises(PreflightError, match=f"{name} is under way"):
        order(session, "b3")

    upgrades.change(session, paused=False)
    look(controllers, lease)
    assert marks(session)["b2"] == (True, True)
    upgrades.abort(session)
    look(controllers, lease)

    assert told(session, name)["status"]["phase"] == "Aborted"
    assert states(session, name) == {"b1": "Done", "b2": "Released", "b3": "Waiting"}
    assert marks(session) == dict.fromkeys(FEW, FREE)
    assert downs(session) == {"b1": 1, "b2": 0, "b3": 0}
    with pytest.raises(KubeceptionError, match="nothing is under way"):
        upgrades.change(session, paused=True)


def test_a_persons_word_counts_whatever_the_controller_writes_meanwhile(session: Session) -> None:
    node(session.api, "b1")
    name, is_over = order(session, "b1"), threading.Event()

    def write() -> None:
        while not is_over.is_set():
            with contextlib.suppress(ApiError):  # what a person has just said
                session.api.set_fields(
                    told(session, name), {"/status": {"done": "0/1"}}, status=True
                )
                session.api.set_fields(
                    told(session, name), {"/status": {"done": "1/1"}}, status=True
                )

    writing = threading.Thread(target=write)
    writing.start()
    try:
        for number in range(40):
            assert upgrades.change(session, paused=number % 2 == 0) == name
        upgrades.abort(session)
    finally:
        is_over.set()
        writing.join()
    assert told(session, name)["spec"]["aborted"]


def test_what_is_deleted_lets_its_nodes_go(session: Session, controllers: Counting) -> None:
    node(session.api, "b1")
    lease = leading()
    name = order(session, "b1")
    look(controllers, lease)
    assert marks(session) == {"b1": (True, True)}

    session.api.delete(KIND, name)
    look(controllers, lease)

    assert marks(session) == {"b1": FREE}


def test_one_that_is_off_is_passed_over_where_that_is_wanted(
    session: Session, controllers: Counting
) -> None:
    node(session.api, "b1", is_ready=False)
    node(session.api, "b2")

    name = order(session, "b1", "b2", skips_offline=True)

    said = to_its_end(session, controllers, name, Hosts(session.api, off=("b1",)))
    assert said == "passed over: b1 skipped: is not Ready"
    assert states(session, name) == {"b1": "Skipped", "b2": "Done"}


def test_what_speaks_against_it_is_said_at_once_and_nothing_changed(session: Session) -> None:
    node(session.api, "b1", is_ready=False)
    session.api.create(of_order(Order(("b1",))))

    with pytest.raises(PreflightError) as caught:
        order(session, "b1", "b9")

    assert [line.partition(";")[0] for line in caught.value.problems[1:]] == [
        "node b1: is not Ready",
        "node b9: there is none of that name",
    ]
    assert "is under way" in caught.value.problems[0]
    assert len(session.api.list(KIND)) == 1


def test_nodes_go_to_another_release_their_control_plane_first(
    session: Session, controllers: Counting
) -> None:
    staged(session.api, *FEW)
    for name in FEW:
        pod(session.api, f"on-{name}", on=name)
    session.api.merge("Node", "b3", {"metadata": {"labels": {CONTROL_PLANE: ""}}})
    hosts = Hosts(session.api)
    name = order(session, *FEW, release=NEW, batch=2)

    assert to_its_end(session, controllers, name, hosts) == f"all nodes run {NEW}"

    assert hosts.upgraded == ["b3", "b1", "b2"]
    assert hosts.most_at_once == 2
    assert marks(session) == dict.fromkeys(FEW, FREE)
    assert downs(session) == dict.fromkeys(FEW, 0)
    there = session.api.list("Node")
    assert upgrades.not_on(NEW, "1.37.1", there) == ()
    assert upgrades.not_on(NEW, "1.36.4", there) == FEW, "by what their kubelets say"


def test_hosts_that_lack_the_release_get_it_before_anything_begins(
    session: Session, controllers: Counting
) -> None:
    many = tuple(f"b{n}" for n in range(10, 22))
    staged(session.api, "b1")
    lacking(session.api, *many)
    for name in ("b1", *many):
        pod(session.api, f"on-{name}", on=name)
    hosts, lease = Hosts(session.api), leading()
    name = order(session, "b1", *many, release=NEW, source=SOURCE)

    look(controllers, lease)
    hosts.go_on()

    assert hosts.fetched == [*many[:10]]
    assert Counter(states(session, name).values()) == {"Fetching": 10, "Waiting": 3}
    assert {on.partition("-")[2] for one in many for on in left(session.api, one)} == {*many}
    look(controllers, lease)
    hosts.go_on()
    assert hosts.fetched == [*many]
    closed = [one for one, (is_closed, _) in marks(session).items() if is_closed]
    assert (closed, hosts.upgraded) == ([], [])

    assert to_its_end(session, controllers, name, hosts) == f"all nodes run {NEW}"
    assert hosts.upgraded == ["b1", *many]
    assert hosts.fetched == [*many], "each once"
    assert marks(session) == dict.fromkeys(("b1", *many), FREE)
    found = session.api.get("Node", many[0])
    assert found
    assert not {Errand.FETCH.note, ORDER_NOTE} & found["metadata"]["annotations"].keys()
    begun = [one["reason"] for one in events(session, name)]
    assert begun.count("FetchBegun") == 2


@pytest.mark.parametrize("is_slow", [False, True])
def test_a_host_that_can_not_fetch_it_stops_it_before_anything_is_changed(
    session: Session, controllers: Counting, *, is_slow: bool
) -> None:
    lacking(session.api, *FEW)
    session.api.merge("Node", "b3", {"spec": {"unschedulable": True}})
    wanted = {"release": NEW, "previous": OLD, "source": SOURCE}
    hosts = Hosts(session.api, off=("b2",) if is_slow else (), broken=("b2",))

    name = order(session, *FEW, **wanted, step_s=5 if is_slow else 900)
    said = to_its_end(session, controllers, name, hosts)

    why = f"has no bundle {NEW} after " if is_slow else "error: the server answers 404"
    assert f"b2 failed: {why}" in said
    assert states(session, name) == {"b1": "Waiting", "b2": "Failed", "b3": "Waiting"}
    assert marks(session) == {"b1": FREE, "b2": FREE, "b3": (True, False)}
    assert hosts.upgraded == []
    with pytest.raises(KubeceptionError, match="no host has gone on"):
        upgrades.abort(session)
    # The next one goes on with those that lack it.
    again = Hosts(session.api)
    to_its_end(session, controllers, order(session, *FEW, **wanted), again)
    assert (again.fetched, sorted(again.upgraded)) == (["b2"], [*FEW])


def test_an_abort_while_hosts_fetch_changes_nothing(
    session: Session, controllers: Counting
) -> None:
    lacking(session.api, *FEW)
    lease = leading()
    name = order(session, *FEW, release=NEW, previous=OLD, source=SOURCE)
    look(controllers, lease)
    assert marks(session) == dict.fromkeys(FEW, (False, True))

    upgrades.abort(session)
    look(controllers, lease)

    assert told(session, name)["status"]["phase"] == "Aborted"
    assert marks(session) == dict.fromkeys(FEW, FREE)
    assert session.api.get(KIND, f"{name}-back") is None


def test_who_is_off_gets_no_bundle_and_is_passed_over_or_stops_it(
    session: Session, controllers: Counting
) -> None:
    lacking(session.api, *FEW)
    says(session.api, "b2", "b2-0", is_ready=False)
    hosts = Hosts(session.api, off=("b2",))
    spec = of_order(Order(FEW, release=NEW, source=SOURCE))
    name = session.api.create(spec)["metadata"]["name"]
    assert "b2 failed: is not Ready" in to_its_end(session, controllers, name, hosts)
    assert (hosts.fetched, hosts.upgraded) == ([], [])

    wanted = {"release": NEW, "source": SOURCE, "skips_offline": True}
    said = to_its_end(session, controllers, order(session, *FEW, **wanted), hosts)

    assert said == "passed over: b2 skipped: is not Ready"
    assert hosts.upgraded == ["b1", "b3"]


def test_a_cluster_of_an_earlier_release_has_no_host_fetch_anything(
    rig: Rig, session: Session
) -> None:
    """Its controller would stop at the first host, and no host may read where the bundle is."""
    lacking(session.api, "b1")
    session.api.delete("ClusterRoleBinding", READERS)
    try:
        with pytest.raises(PreflightError, match="no hosts fetch a bundle yet"):
            order(session, "b1", release=NEW, source=SOURCE)
        assert session.api.list(KIND) == []
    finally:
        rig.apply_everything()


@pytest.mark.parametrize("source", [None, SOURCE])
def test_no_source_is_known_before_all_but_people_are_kept_from_naming_one(
    rig: Rig, session: Session, source: Source | None
) -> None:
    """As in a cluster of an earlier release, whose way back has a new definition applied."""
    lacking(session.api, "b1")
    has(session.api, "b1", OLD, NEW)
    [before] = definition()
    spec = before["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec["properties"]["source"]
    rules = spec["x-kubernetes-validations"]
    spec["x-kubernetes-validations"] = [one for one in rules if "source" not in one["rule"]]
    session.api.apply(before)
    rig.until("the source to be unknown", lambda: not _keeps_sources(session.api))
    sources = [*policies.of_sources()]
    for one in sources:
        session.api.delete(one["kind"], one["metadata"]["name"])

    made = order(session, "b1", release=NEW, previous=OLD, source=source)

    assert all(session.api.get(one["kind"], one["metadata"]["name"]) for one in sources)
    rig.until("the source to be known", lambda: _keeps_sources(session.api))
    assert source_of(told(session, made)) == source


def test_a_host_has_time_to_tell_of_a_bundle_that_it_has_just_got(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged(session.api, "b1")
    lacking(session.api, "b2")
    wanted = Order(("b1", "b2"), NEW)
    with monkeypatch.context() as patch:
        patch.setattr(upgrades, "TOLD_S", 0.5)
        with pytest.raises(PreflightError, match=f"node b2: its host has no bundle {NEW}"):
            upgrades.require(session, wanted, [])

    telling = threading.Timer(1.0, lambda: has(session.api, "b2", OLD, NEW))
    telling.start()
    upgrades.require(session, wanted, [])

    telling.join()
    assert list(upgrades.problems_of(wanted, session.api.list("Node"))) == []


def _keeps_sources(api: Api) -> bool:
    with contextlib.suppress(ApiError):
        made = api.create(of_order(Order(release=NEW, source=SOURCE)))
        api.delete(KIND, made["metadata"]["name"])
        return "source" in made["spec"]
    return False


@pytest.mark.timeout(120)
@pytest.mark.parametrize("looks", range(6))
def test_an_abort_takes_back_who_has_gone_and_workers_first(
    session: Session, controllers: Counting, looks: int
) -> None:
    """After each look at which the controller had to wait for somebody."""
    staged(session.api, *FEW)
    session.api.merge("Node", "b2", {"metadata": {"labels": {CONTROL_PLANE: ""}}})
    hosts, lease = Hosts(session.api), leading()
    name = order(session, *FEW, release=NEW, previous=OLD)
    for _ in range(looks):
        look(controllers, lease)
        hosts.go_on()
    gone = tuple(hosts.upgraded)

    said = upgrades.abort(session)

    assert said.startswith(f"{name}: ends as soon as no host is under way")
    to_its_end(session, controllers, name, hosts)
    back = way_back(session, name)
    assert (session.api.get(KIND, back) is not None) is bool(gone)
    if gone:
        assert upgrades.abort(session) == f"{back}: goes back to {OLD} already"
        assert to_its_end(session, controllers, back, hosts) == f"all nodes run {OLD}"
        assert gone[0] == "b2"
        assert hosts.upgraded[len(gone) :] == sorted(gone, key=lambda one: (one == "b2", one))
    assert upgrades.not_on(OLD, "1.36.4", session.api.list("Node")) == ()
    assert marks(session) == dict.fromkeys(FEW, FREE)
    with pytest.raises(KubeceptionError, match="nothing is under way"):
        upgrades.abort(session)


def test_one_of_a_name_that_was_used_before_has_a_way_back_of_its_own(
    session: Session, controllers: Counting
) -> None:
    """The former's is kept, as it was, also where the name is as long as names may be."""
    staged(session.api, *FEW)
    hosts, name = Hosts(session.api), "a" * 253
    wanted = {**of_order(Order(FEW, NEW, OLD)), "metadata": {"name": name}}
    backs = []
    for _ in range(2):
        session.api.create(wanted)
        lease = leading()
        look(controllers, lease)
        hosts.go_on()
        upgrades.abort(session)
        to_its_end(session, controllers, name, hosts)
        backs.append(way_back(session, name))
        assert cluster_upgrade.message(told(session, name)).endswith(f"goes back by {backs[-1]}")
        assert to_its_end(session, controllers, backs[-1], hosts) == f"all nodes run {OLD}"
        session.api.delete(KIND, name)

    assert {one["metadata"]["name"] for one in session.api.list(KIND)} == {*backs}
    assert len({*backs}) == 2
    assert upgrades.not_on(OLD, "1.36.4", session.api.list("Node")) == ()


def test_one_that_has_stopped_is_gone_back_from_too(
    session: Session, controllers: Counting
) -> None:
    staged(session.api, *FEW)
    wanted = {"release": NEW, "previous": OLD}
    name = order(session, *FEW, **wanted)
    to_its_end(session, controllers, name, Hosts(session.api, broken=("b2",)))
    Hosts(session.api).go_on()  # it is Ready again
    assert upgrades.previous(session, NEW, NEW) == OLD, "whoever goes on knows the same way back"

    upgrades.abort(session)

    back = told(session, way_back(session, name))
    assert back["spec"]["nodes"] == ["b1", "b2"]
    to_its_end(session, controllers, back["metadata"]["name"])
    assert upgrades.not_on(OLD, "1.36.4", session.api.list("Node")) == ()
    assert marks(session) == dict.fromkeys(FEW, FREE)


def test_nor_is_one_whose_hosts_lack_what_they_would_go_back_to(
    session: Session, controllers: Counting
) -> None:
    staged(session.api, *FEW)
    name = order(session, *FEW, release=NEW, previous=OLD)
    to_its_end(session, controllers, name, Hosts(session.api, broken=("b2",)))
    has(session.api, "b1", NEW)

    with pytest.raises(PreflightError) as caught:
        upgrades.abort(session)

    missing = f"node b1: its host has no bundle {OLD}, or not its images yet"
    assert caught.value.problems == (missing,)
    assert "bundle import DIR --stage" in str(caught.value.hint)
    assert session.api.get(KIND, way_back(session, name)) is None
    has(session.api, "b1", NEW, OLD)
    files.write(session.layout.member, identity.text(Identity(node="b1")))
    try:
        with pytest.raises(PreflightError, match=f"this host has no bundle {OLD}"):
            upgrades.abort(session)
    finally:
        session.layout.member.unlink()
    assert session.api.get(KIND, way_back(session, name)) is None


def test_one_that_has_ended_well_is_not_gone_back_from(
    session: Session, controllers: Counting
) -> None:
    staged(session.api, "b1")
    name = order(session, "b1", release=NEW, previous=OLD)
    to_its_end(session, controllers, name)

    with pytest.raises(KubeceptionError, match=f"{name} has ended well") as caught:
        upgrades.abort(session)

    assert caught.value.hint == f"kubeception upgrade apply {OLD}"
    assert upgrades.previous(session, NEW, NEW) is None
    assert upgrades.previous(session, NEW, OLD) == OLD


def test_nor_between_minors_once_it_is_for_good(
    rig: Rig, session: Session, controllers: Counting
) -> None:
    """Until then status says so, and it is gone back from after a good end, too."""
    staged(session.api, "b1")
    wanted = {"release": NEW, "previous": OLD}
    name = order(session, "b1", **wanted)
    to_its_end(session, controllers, name)

    with going_by(session, structs.replace(SETTINGS, release=Release("1.37.1", {}))):
        with pytest.raises(KubeceptionError, match="has ended well"):
            upgrades.abort(session)
        assert list(upgrades.notices(session)) == []
        failed = order(session, "b1", **wanted)
        to_its_end(session, controllers, failed, Hosts(session.api, broken=("b1",)))
        with pytest.raises(KubeceptionError, match=f"{failed}: the API serves what 1.37 has"):
            upgrades.abort(session)
    session.api.delete(KIND, failed)
    Hosts(session.api).go_on()

    passing = structs.replace(SETTINGS, release=Release("1.37.1", {}), emulates="1.36")
    with going_by(session, passing):
        [said] = upgrades.notices(session)
        assert said.startswith("the control plane passes for Kubernetes 1.36, until")
        assert upgrades.abort(session) == f"{way_back(session, name)}: goes back to {OLD}"


@contextlib.contextmanager
def going_by(session: Session, settings: ClusterSettings) -> Iterator[None]:
    """Have the cluster go by settings for a while."""
    session.api.apply(cluster_settings.config_map(settings), force=True)
    session.shared = None
    yield
    session.api.delete("ConfigMap", cluster_settings.NAME, namespace=NAMESPACE)


def test_a_host_that_can_not_stops_it_stays_cordoned_and_is_taken_up_by_the_next_one(
    session: Session, controllers: Counting
) -> None:
    staged(session.api, *FEW)
    name = order(session, *FEW, release=NEW)

    said = to_its_end(session, controllers, name, Hosts(session.api, broken=("b2",)))

    assert "b2 failed: error: no room; takes no new pods" in said
    assert states(session, name) == {"b1": "Done", "b2": "Failed", "b3": "Waiting"}
    assert marks(session)["b2"][0]
    found = session.api.get("Node", "b2")
    assert found
    assert Errand.RELEASE.note not in found["metadata"]["annotations"], "it would go there some day"
    Hosts(session.api).go_on()  # it is Ready again
    to_its_end(session, controllers, order(session, "b2", "b3", release=NEW))
    assert marks(session) == dict.fromkeys(FEW, FREE)


@pytest.mark.parametrize("reboots", [False, True])
def test_hosts_run_a_program_in_batches_and_may_reboot_then(
    session: Session, controllers: Counting, *, reboots: bool
) -> None:
    for name in FEW:
        node(session.api, name)
        pod(session.api, f"on-{name}", on=name)
    hosts = Hosts(session.api)
    name = order(session, *FEW, command=COMMAND, reboots=reboots, batch=2)

    said = to_its_end(session, controllers, name, hosts)

    assert said == f"all nodes have run {COMMAND}" + " and rebooted" * reboots
    assert name.startswith("run-")
    assert hosts.ran == [*FEW]
    assert hosts.most_at_once == 2
    assert downs(session) == dict.fromkeys(FEW, int(reboots))
    assert marks(session) == dict.fromkeys(FEW, FREE)


def test_a_host_that_could_not_run_it_does_not_reboot_and_stops_it(
    session: Session, controllers: Counting
) -> None:
    for name in FEW:
        node(session.api, name)
    hosts = Hosts(session.api, broken=("b2",))
    name = order(session, *FEW, command=COMMAND, reboots=True)

    said = to_its_end(session, controllers, name, hosts)

    assert "b2 failed: error: no room; takes no new pods" in said
    assert downs(session) == {"b1": 1, "b2": 0, "b3": 0}
    assert states(session, name) == {"b1": "Done", "b2": "Failed", "b3": "Waiting"}
    assert marks(session)["b2"][0]
    found = session.api.get("Node", "b2")
    assert found
    assert Errand.COMMAND.note not in found["metadata"]["annotations"], "it would run some day"


def test_an_abort_comes_before_the_reboot_and_after_what_a_host_was_asked_to_run(
    session: Session, controllers: Counting
) -> None:
    node(session.api, "b1")
    hosts, lease = Hosts(session.api), leading()
    name = order(session, "b1", command=COMMAND, reboots=True)
    look(controllers, lease)
    upgrades.abort(session)
    look(controllers, lease)
    assert states(session, name) == {"b1": "Running"}, "who was told is waited for"

    to_its_end(session, controllers, name, hosts)

    assert told(session, name)["status"]["phase"] == "Aborted"
    assert states(session, name) == {"b1": "Released"}
    assert (hosts.ran, downs(session)) == (["b1"], {"b1": 0})
    assert marks(session) == {"b1": FREE}


def canary(session: Session, *, to: str | None = NEW, **more: Any) -> str:
    """Ask for all of a few, one of which goes first."""
    wanted: dict[str, Any] = {"release": to, "canary": "b2", "batch": 2, **more}
    return order(session, *FEW, **wanted)


def proving(session: Session, api: Api, name: str, hosts: Hosts) -> None:
    """Look until the canary has done what was asked for."""
    lease = leading()
    look(api, lease)
    while states(session, name)["b2"] != State.PROVING:
        assert not is_over(session, name), told(session, name)["status"]
        hosts.go_on()
        look(api, lease)


def test_the_others_wait_until_a_canary_has_been_well_for_its_time(
    session: Session, controllers: Counting
) -> None:
    staged(session.api, "b0", *FEW)
    session.api.merge("Node", "b0", {"metadata": {"labels": {CONTROL_PLANE: ""}}})
    hosts, lease = Hosts(session.api), leading()
    name = order(session, "b0", *FEW, release=NEW, canary="b2", batch=2, canary_s=3600)

    proving(session, controllers, name, hosts)

    assert hosts.upgraded == ["b0", "b2"]
    [waits] = [one for one in told(session, name)["status"]["nodes"] if one["name"] == "b2"]
    until = datetime.fromisoformat(waits["since"]) + timedelta(hours=1)
    assert waits["message"] == f"the others wait until {until:%Y-%m-%dT%H:%M:%SZ}, while it is well"
    assert waits["message"] in cluster_upgrade.message(told(session, name))
    assert waits["message"] in next(upgrades.notices(session))
    assert marks(session) == dict.fromkeys(("b0", *FEW), FREE), "it takes pods, to be tried"
    for _ in range(2):
        hosts.go_on()
        look(controllers, lease)
    assert hosts.upgraded == ["b0", "b2"]
    session.api.set_fields(told(session, name), {"/spec/canary/forSeconds": 0})
    assert to_its_end(session, controllers, name, hosts) == f"all nodes run {NEW}"
    assert hosts.upgraded == ["b0", "b2", "b1", "b3"]
    assert hosts.most_at_once == 2


def test_a_canary_proves_itself_after_the_time_that_it_was_given(
    session: Session, controllers: Counting
) -> None:
    staged(session.api, *FEW)
    hosts, name = Hosts(session.api), canary(session, to=None, canary_s=2)

    def since() -> datetime:
        [said] = [one for one in told(session, name)["status"]["nodes"] if one["name"] == "b2"]
        return datetime.fromisoformat(said["since"])

    proving(session, controllers, name, hosts)
    began = since()
    assert downs(session) == {"b1": 0, "b2": 1, "b3": 0}
    assert to_its_end(session, controllers, name, hosts) == "all nodes have rebooted"

    assert since() - began >= timedelta(seconds=2)
    assert downs(session) == dict.fromkeys(FEW, 1)


UNWELL = {
    "not Ready": {"type": "Ready", "status": "False", "reason": "KubeletNotReady"},
    "its network does not work: ClusterDnsUnreachable": {
        "type": "NetworkProblem",
        "status": "True",
        "reason": "ClusterDnsUnreachable",
    },
    "DiskPressure": {"type": "DiskPressure", "status": "True", "reason": "KubeletHasDiskPressure"},
}


@pytest.mark.parametrize("why", UNWELL)
def test_a_canary_that_is_unwell_stops_it_before_the_others_begin(
    session: Session, controllers: Counting, why: str
) -> None:
    staged(session.api, *FEW)
    hosts = Hosts(session.api)
    name = canary(session, previous=OLD, canary_s=3600)
    proving(session, controllers, name, hosts)

    session.api.merge("Node", "b2", {"status": {"conditions": [UNWELL[why]]}}, status=True)
    look(controllers, leading())

    assert states(session, name) == {"b1": "Waiting", "b2": "Failed", "b3": "Waiting"}
    said = cluster_upgrade.message(told(session, name))
    assert said.startswith(f"stopped after the first batch that failed: b2 failed: {why}, ")
    assert said.endswith("after it was done; takes pods as before")
    upgrades.abort(session)
    [back] = [one for one in session.api.list(KIND) if one["metadata"]["name"] != name]
    assert back["spec"]["nodes"] == ["b2"]
    assert "canary" not in back["spec"]


def test_an_abort_does_not_wait_for_a_canary_and_a_pause_ends_with_it(
    session: Session, controllers: Counting
) -> None:
    staged(session.api, *FEW)
    hosts, lease = Hosts(session.api), leading()
    name = canary(session, previous=OLD, canary_s=3600)
    proving(session, controllers, name, hosts)
    upgrades.change(session, paused=True)
    session.api.set_fields(told(session, name), {"/spec/canary": None})
    look(controllers, lease)
    assert told(session, name)["status"]["phase"] == "Paused"
    assert states(session, name) == {"b1": "Waiting", "b2": "Done", "b3": "Waiting"}
    session.api.delete(KIND, name)

    for one in FEW:
        has(session.api, one, OLD, NEW, **{Errand.RELEASE.answer: ""})
    name = canary(session, previous=OLD, canary_s=3600)
    proving(session, controllers, name, hosts)
    upgrades.abort(session)
    look(controllers, lease)

    assert told(session, name)["status"]["phase"] == "Aborted"
    assert states(session, name) == {"b1": "Waiting", "b2": "Done", "b3": "Waiting"}
    assert told(session, way_back(session, name))["spec"]["nodes"] == ["b2"]


UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "not a node": ({"canary": "b9"}, "there is no node of that name"),
    "a control-plane host": ({"canary": "b3"}, "is a control-plane host; name a worker"),
    "cordoned": (
        {"canary": "b1"},
        "is cordoned, so no pods would try it; kubectl uncordon b1",
    ),
    "one of the others": (
        {"nodes": ("b1",), "canary": "b2"},
        f"runs {NEW} already; name another worker, or none",
    ),
}


@pytest.mark.parametrize("what", UNFIT)
def test_who_can_be_no_canary_is_told_at_once_and_by_the_controller_too(
    session: Session, controllers: Counting, what: str
) -> None:
    staged(session.api, *FEW)
    session.api.merge("Node", "b3", {"metadata": {"labels": {CONTROL_PLANE: ""}}})
    session.api.merge("Node", "b1", {"spec": {"unschedulable": True}})
    more, said = UNFIT[what]
    asked = Order(**{"nodes": (), "release": NEW, **more})

    refusals: list[Callable[[], object]] = [
        lambda: upgrades.begin(session, asked),
        lambda: upgrades.require(session, asked, []),
    ]
    for refuse in refusals:
        with pytest.raises(PreflightError) as caught:
            refuse()
        assert caught.value.problems == (f"canary {asked.canary}: {said}",)
    assert session.api.list(KIND) == []
    if what == "one of the others":
        with pytest.raises(ApiError, match="a canary is one of the nodes"):
            session.api.create(of_order(asked))
        return
    name = session.api.create(of_order(asked))["metadata"]["name"]
    look(controllers, leading())
    assert states(session, name)[asked.canary or ""] == "Failed"
    assert f"{asked.canary} failed: " in cluster_upgrade.message(told(session, name))
    assert {*states(session, name).values()} == {"Failed", "Waiting"}


def test_a_canary_that_was_left_cordoned_by_one_that_failed_is_taken_up_again(
    session: Session, controllers: Counting
) -> None:
    staged(session.api, *FEW)
    to_its_end(session, controllers, canary(session), Hosts(session.api, broken=("b2",)))
    assert marks(session)["b2"][0]
    Hosts(session.api).go_on()  # it is Ready again

    to_its_end(session, controllers, canary(session, canary_s=0))

    assert marks(session) == dict.fromkeys(FEW, FREE)


@pytest.mark.parametrize("release", [None, NEW])
def test_a_node_whose_network_does_not_work_is_not_done(
    session: Session, controllers: Counting, release: str | None
) -> None:
    staged(session.api, *FEW)
    told_of = UNWELL["its network does not work: ClusterDnsUnreachable"]
    session.api.merge("Node", "b1", {"status": {"conditions": [told_of]}}, status=True)
    hosts, lease = Hosts(session.api), leading()
    name = order(session, *FEW, release=release, step_s=5)
    for _ in range(3):
        look(controllers, lease)
        hosts.go_on()
    look(controllers, lease)
    assert {*states(session, name).values()} <= {"Waiting", "Rebooting", "Upgrading"}
    assert "; its network does not work: Clus" in cluster_upgrade.message(told(session, name))

    said = to_its_end(session, controllers, name, hosts)

    assert "b1 failed: " in said
    assert "its network does not work: ClusterDnsUnreachable" in said
    assert states(session, name) == {"b1": "Failed", "b2": "Waiting", "b3": "Waiting"}


def around(now: datetime, *, begins: int, ends: int, zone: str = "UTC") -> Object:
    """Return a window that begins and ends so many hours from now."""
    start, end = (now + timedelta(hours=hours) for hours in (begins, ends))
    return Window(start.time(), end.time(), zone).spec


def test_no_batch_begins_outside_of_its_window_and_one_that_is_at_hand_is_finished(
    session: Session, controllers: Counting
) -> None:
    for name in FEW:
        node(session.api, name)
    hosts, lease, now = Hosts(session.api), leading(), datetime.now(UTC)
    closed = around(now, begins=2, ends=4)
    wanted = of_order(Order(FEW))
    wanted["spec"]["window"] = closed
    name = session.api.create(wanted)["metadata"]["name"]

    look(controllers, lease)

    found = told(session, name)["status"]
    assert found["phase"] == "Pending"
    assert found["message"].startswith("the next batch may begin on ")
    assert found["message"].endswith(f" at {closed['start']} UTC")
    assert marks(session) == dict.fromkeys(FEW, FREE)
    controllers.asked.clear()
    look(controllers, lease)
    assert not [what for what in controllers.asked if what.endswith("nodes")], "it costs nothing"

    session.api.set_fields(told(session, name), {"/spec/window": around(now, begins=-2, ends=2)})
    look(controllers, lease)
    assert states(session, name)["b1"] == "Rebooting"
    session.api.set_fields(told(session, name), {"/spec/window": closed})
    for _ in range(4):
        hosts.go_on()
        look(controllers, lease)

    assert states(session, name) == {"b1": "Done", "b2": "Waiting", "b3": "Waiting"}
    assert told(session, name)["status"]["phase"] == "Pending"
    assert marks(session) == dict.fromkeys(FEW, FREE)
    session.api.set_fields(told(session, name), {"/spec/window": around(now, begins=-2, ends=2)})
    assert to_its_end(session, controllers, name, hosts) == "all nodes have rebooted"


def test_a_time_zone_that_nobody_knows_is_told_and_nothing_begins(
    session: Session, controllers: Counting
) -> None:
    node(session.api, "b1")
    wanted = of_order(Order(("b1",)))
    now = datetime.now(UTC)
    wanted["spec"]["window"] = around(now, begins=-2, ends=2, zone="Europe/Nowhere")
    name = session.api.create(wanted)["metadata"]["name"]

    look(controllers, leading())

    said = "no batch begins: 'Europe/Nowhere' is no time zone that is known here"
    assert cluster_upgrade.message(told(session, name)) == said
    assert marks(session) == {"b1": FREE}
    upgrades.abort(session)
    look(controllers, leading())
    assert told(session, name)["status"]["phase"] == "Aborted"


def test_those_alone_reboot_whose_hosts_want_to_in_this_boot(session: Session) -> None:
    for name, boot in zip(FEW, ("b1-0", "b2-before", None), strict=True):
        node(session.api, name)
        session.api.merge("Node", name, {"metadata": {"annotations": {NEEDED_NOTE: boot}}})

    assert upgrades.needing_reboot(session, ()) == ("b1",)
    assert upgrades.needing_reboot(session, ("b2", "b3")) == ()
    wanted = upgrades.needing_reboot(session, ("b9", "b2", "b1"))
    with pytest.raises(PreflightError, match="node b9: there is none of that name"):
        order(session, *wanted)


def test_status_says_what_is_under_way_and_what_has_stopped_until_nothing_is_left_of_it(
    session: Session, controllers: Counting
) -> None:
    staged(session.api, *FEW[:2])
    assert list(upgrades.notices(session)) == []
    name = order(session, *FEW[:2], release=NEW)
    look(controllers, leading())
    [said] = upgrades.notices(session)
    assert said.startswith(f"{name}: b1 ")

    to_its_end(session, controllers, name, Hosts(session.api, broken=("b1",)))
    [said] = upgrades.notices(session)
    assert said.startswith(f"{name}: stopped after the first batch that failed: b1 failed: ")
    Hosts(session.api).go_on()
    to_its_end(session, controllers, order(session, *FEW[:2], release=NEW))
    assert list(upgrades.notices(session)) == []


def test_a_release_that_hosts_lack_is_told_at_once_and_nothing_changed(session: Session) -> None:
    for name in FEW:
        node(session.api, name)
    has(session.api, "b2", OLD, NEW)

    with pytest.raises(PreflightError) as caught:
        order(session, *FEW, release=NEW)

    assert caught.value.problems == tuple(
        f"node {name}: its host has no bundle {NEW}, or not its images yet" for name in ("b1", "b3")
    )
    assert session.api.list(KIND) == []
    says(session.api, "b1", "b1-0", is_ready=False)
    with pytest.raises(PreflightError) as caught:
        order(session, *FEW, release=NEW, skips_offline=True)
    assert len(caught.value.problems) == 1, "who is off is passed over"


def test_pods_stay_where_that_is_wanted(session: Session, controllers: Counting) -> None:
    staged(session.api, "b1")
    pod(session.api, "on-b1", on="b1")
    name, lease = order(session, "b1", release=NEW, keeps_pods=True), leading()

    look(controllers, lease)

    assert marks(session) == {"b1": (False, True)}
    ask = cluster_upgrade.of(told(session, name)).ask
    assert seen_of(session, "b1").asked == ask
    assert left(session.api, "b1") == ["on-b1"]
    upgrades.abort(session)
    has(session.api, "b1", NEW, OLD, **{Errand.RELEASE.answer: ask})
    look(controllers, lease)
    assert states(session, name) == {"b1": "Done"}, "who was told is waited for"


def test_one_at_a_time_the_oldest_first(session: Session, controllers: Counting) -> None:
    for name in FEW:
        node(session.api, name)
    for first, of in (("reboot-a", "b1"), ("reboot-b", "b2")):
        wanted = of_order(Order((of,)))
        session.api.create({**wanted, "metadata": {"name": first}})

    look(controllers, leading())

    assert told(session, "reboot-b")["status"]["message"] == "waits for reboot-a"
    assert to_its_end(session, controllers, "reboot-b") == "all nodes have rebooted"
    assert told(session, "reboot-a")["status"]["phase"] == "Succeeded"


def test_of_those_that_have_ended_the_last_are_kept(
    session: Session, controllers: Counting
) -> None:
    lease = leading()
    node(session.api, "b1")
    named = {**of_order(Order()), "metadata": {"name": "a-persons"}}
    made = [session.api.create(one) for one in (*[of_order(Order())] * 23, named)]
    for found in made:
        status = cluster_upgrade.status_of(ended(found), found, datetime.now(UTC))
        session.api.set_fields(found, {"/status": status}, status=True)
    names = sorted(one["metadata"]["name"] for one in made[:-1])
    noted = {
        "metadata": {"annotations": {CORDONED_NOTE: names[0]}},
        "spec": {"unschedulable": True},
    }
    session.api.merge("Node", "b1", noted)

    look(controllers, lease)

    # All are of the same second or two: which go is told by their age and name.
    left = {one["metadata"]["name"] for one in session.api.list(KIND)}
    assert {"a-persons", names[0]} <= left
    assert 20 <= len(left & {*names}) <= 21


def ended(found: Object) -> Run:
    return replace(cluster_upgrade.of(found), phase=Phase.SUCCEEDED)


WRONG: dict[str, dict[str, Any]] = {
    "nodes and all of them": {"nodes": ["a"], "all": True},
    "none at all": {},
    "no nodes": {"nodes": []},
    "a batch of none": {"all": True, "batch": 0},
    "a batch that is none": {"all": True, "batch": "2"},
    "too many percent": {"all": True, "batch": "101%"},
    "an unknown step": {"all": True, "steps": ["explode"]},
    "a version without its step": {"all": True, "version": "1.38.0"},
    "a version and another step": {"all": True, "version": "1.38.0", "steps": ["reboot"]},
    "a version of no letters": {"all": True, "version": "", "steps": ["binaries"]},
    "a version that leads elsewhere": {"all": True, "version": "../x", "steps": ["binaries"]},
    "a way back from reboots": {"all": True, "previous": "1.36.4"},
    "that step without a version": {"all": True, "steps": ["binaries"]},
    "a source of nothing": {"all": True, "source": {"url": "http://a", "sha256": "ab" * 32}},
    **{
        f"a source that is none: {url[:30]} {digest[:5]}": {
            "all": True,
            "version": "1.38.0",
            "steps": ["binaries"],
            "source": {"url": url, "sha256": digest},
        }
        for url, digest in (
            *((url, "ab" * 32) for url in ("", "file:///etc", "http://a:b@c", "http://a/?b")),
            ("http://a/" + "b" * 1024, "ab" * 32),
            *(("http://a", digest) for digest in ("", "ab" * 31, "AB" * 32)),
        )
    },
    "a command without its step": {"all": True, "command": "patch"},
    "its step without a command": {"all": True, "steps": ["command"]},
    "a reboot before the command": {
        "all": True,
        "command": "patch",
        "steps": ["reboot", "command"],
    },
    "a command twice": {"all": True, "command": "patch", "steps": ["command", "command"]},
    "a command and a version": {
        "all": True,
        "command": "patch",
        "version": "1.38.0",
        "steps": ["command", "binaries"],
    },
    "a command of no letters": {"all": True, "command": "", "steps": ["command"]},
    "a command that leads elsewhere": {"all": True, "command": "../sh", "steps": ["command"]},
    "a command with arguments": {"all": True, "command": "patch -y", "steps": ["command"]},
    "a command too long": {"all": True, "command": "a" * 64, "steps": ["command"]},
    "a window without an end": {"all": True, "window": {"start": "22:00"}},
    "a time that is none": {"all": True, "window": {"start": "22:00", "end": "24:00"}},
    "a day that is none": {
        "all": True,
        "window": {"start": "22:00", "end": "04:00", "days": ["Sat", "Son"]},
    },
    "a time zone that leads elsewhere": {
        "all": True,
        "window": {"start": "22:00", "end": "04:00", "timeZone": "../../etc/passwd"},
    },
    "an unknown policy": {"all": True, "offline": "wait"},
    "a canary without a name": {"all": True, "canary": {"forSeconds": 5}},
    "a canary of none of the nodes": {"nodes": ["a"], "canary": {"node": "b"}},
    "a canary for ever": {"all": True, "canary": {"node": "a", "forSeconds": 86401}},
}


@pytest.mark.parametrize("spec", WRONG.values(), ids=WRONG.keys())
def test_what_makes_no_sense_is_refused_by_the_api(session: Session, spec: dict[str, Any]) -> None:
    wanted = {**of_order(Order()), "spec": spec}

    with pytest.raises(ApiError) as caught:
        session.api.create(wanted)
    assert caught.value.status == 422


@pytest.mark.parametrize(
    ("wanted", "change"),
    [
        (Order(command=COMMAND), {"/spec/command": "other"}),
        (Order(command=COMMAND), {"/spec/steps": ["command", "reboot"]}),
        (Order(release=NEW), {"/spec/version": OLD}),
        (Order(release=NEW, source=SOURCE), {"/spec/source/url": "http://192.0.2.2"}),
        (Order(release=NEW, source=SOURCE), {"/spec/source/sha256": "cd" * 32}),
        (Order(release=NEW, source=SOURCE), {"/spec/source": None}),
        (Order(release=NEW), {"/spec/source": {"url": "http://a", "sha256": "ab" * 32}}),
        (Order(canary="a"), {"/spec/canary/node": "b"}),
    ],
)
def test_what_is_done_stays_as_it_was_asked_for(
    session: Session, wanted: Order, change: dict[str, Any]
) -> None:
    """A host that has run one command would pass for one that has run the other."""
    made = session.api.create(of_order(wanted))

    with pytest.raises(ApiError, match="stays as it was asked for") as caught:
        session.api.set_fields(made, change)
    assert caught.value.status == 422
    session.api.set_fields(made, {"/spec/batch": 2, "/spec/paused": True})


def test_what_is_left_out_has_its_defaults(session: Session) -> None:
    made = session.api.create({**of_order(Order()), "spec": {"all": True}})

    found = cluster_upgrade.of(made)
    assert (found.batch, found.drain.total_seconds(), found.step.total_seconds()) == (1, 300, 900)


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("what", "is_aborted"),
    [
        (Order(FEW, batch=2), False),
        (Order(FEW, NEW, OLD, batch=2), False),
        (Order(FEW, NEW, OLD, batch=2), True),
        (Order(FEW, NEW, OLD, SOURCE, batch=2), False),
        (Order(FEW, command=COMMAND, batch=2), False),
        (Order(FEW, command=COMMAND, reboots=True, batch=2), False),
        (Order(FEW, batch=2, canary="b3", canary_s=1), False),
    ],
    ids=[
        *("reboots", "a release", "and back", "from a server", "a command", "and reboots"),
        "a canary",
    ],
)
def test_a_controller_that_is_killed_at_each_of_its_steps_is_gone_on_after(
    rig: Rig, session: Session, tmp_path: Path, what: Order, *, is_aborted: bool
) -> None:
    """What its hosts and a person do meanwhile is none of these steps."""
    (lacking if what.source else staged)(session.api, *FEW)
    for name in FEW:
        pod(session.api, f"on-{name}", on=name)
    name = "killed"
    session.api.create({**of_order(what), "metadata": {"name": name}})
    run = cluster_upgrade.of(told(session, name))
    last = way_back(session, name) if is_aborted else name
    token = account(rig, cluster_controller.NAME, tmp_path)
    ca, url = rig.session().layout.pki.ca.certificate, f"https://127.0.0.1:{rig.ports.api}"
    session.hang_up()

    def work() -> None:
        with rig.session() as own, contextlib.closing(Api(url, ca, TokenFile(token))) as api:
            hosts, lease = Hosts(own.api), leading()
            while True:
                look(api, lease)
                if own.api.get(KIND, last) and is_over(own, last):
                    return
                undisturbed(hosts.go_on)
                if (
                    is_aborted
                    and State.DONE in states(own, name).values()
                    and not is_over(own, name)
                ):
                    undisturbed(lambda: upgrades.abort(own))

    steps = ratchet(work, log=tmp_path / "steps")

    asked = FEW[:2] if is_aborted else FEW
    verbs = {"cordon": State.DRAINING, "evict": State.DRAINING, "let go": run.steps[-1]}
    for verb, state in (*verbs.items(), *(("ask", state) for state in run.steps)):
        assert {f"{verb} node {one}, {state.lower()}" for one in asked} <= set(steps), steps
    if what.source:
        fetches = (f"{verb} node {one}, fetching" for verb in ("ask", "withdraw") for one in FEW)
        assert {*fetches} <= set(steps), steps
    assert told(session, last)["status"]["phase"] == "Succeeded"
    after = {one: seen_of(session, one) for one in FEW}
    if what.release:
        assert {one.bundles for one in after.values()} == {(OLD, NEW) if is_aborted else (NEW, OLD)}
    if what.command:
        assert {one.answers for one in after.values()} == {(run.ask,)}
    often = int(State.REBOOTING in run.steps)
    assert downs(session) == dict.fromkeys(FEW, often), "each went down once, or not at all"
    assert marks(session) == dict.fromkeys(FEW, FREE)


def undisturbed(work: Callable[[], object]) -> None:
    """Do something as if nobody had asked to be killed at a step."""
    kept = {name: os.environ.pop(name) for name in (crash.AT, crash.LOG) if name in os.environ}
    work()
    os.environ.update(kept)


def test_the_controller_does_it_beside_its_other_work(
    rig: Rig, session: Session, tmp_path: Path
) -> None:
    for name in FEW[:2]:
        node(session.api, name)
    ended = threading.Event()

    def live() -> None:
        with rig.session() as own:
            hosts = Hosts(own.api)
            while not ended.wait(0.2):
                hosts.go_on()

    thread = threading.Thread(target=live)
    thread.start()
    try:
        with running(rig, tmp_path):
            name = order(session, *FEW[:2], batch=2)
            runs = list(upgrades.following(session, name))
    finally:
        ended.set()
        thread.join()
    assert runs[-1].phase is Phase.SUCCEEDED
    lines = [
        line for a, b in zip([None, *runs], runs, strict=False) for line in upgrades.news(a, b)
    ]
    assert lines[-1] in {"node b1: done", "node b2: done"}
