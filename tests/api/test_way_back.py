"""Whether the control plane passes for the minor before, by the upgrades that a real API has."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import structs
from tests.api.rig import Rig
from tests.fixed import CLUSTER, SETTINGS

from kubeception import gather
from kubeception.config.cluster import ClusterSettings
from kubeception.errors import ApiError
from kubeception.facts import ClusterFacts, Hosted, Proven
from kubeception.kept import revisions
from kubeception.kube.client import Object
from kubeception.render import apiserver, revision
from kubeception.render.cluster_upgrade import BUNDLES_NOTE, KIND, Errand, Order, Phase, of_order
from kubeception.session import Session
from kubeception.upgrade import way_back
from kubeception.versions import Release

OLD, NEW = "1.36.4-0123", "1.37.1-4567"
FEW = ("w1", "w2")
TEMPLATE = apiserver.daemonset(CLUSTER)["spec"]["template"]
IMAGES = {
    bundle: {apiserver.NAME: f"kube-apiserver:v{bundle.partition('-')[0]}"} for bundle in (OLD, NEW)
}
HOSTED = Hosted(6445, "", revision.identity(TEMPLATE), image=IMAGES[NEW][apiserver.NAME])


@pytest.fixture(scope="module", autouse=True)
def applied(rig: Rig) -> None:
    rig.apply_everything()

    def is_served() -> bool:
        with rig.session() as session, contextlib.suppress(ApiError):
            session.api.list(KIND)
            return True
        return False

    rig.until("the kind to be served", is_served)


@pytest.fixture(autouse=True)
def clean(session: Session) -> Iterator[None]:
    for name in FEW:
        on(session, name, OLD)
    yield
    for kind in (KIND, "Node"):
        for one in session.api.list(kind):
            session.api.delete(kind, one["metadata"]["name"])
    for path in session.layout.revisions.glob(revisions.PROVEN):
        path.unlink()


def on(session: Session, name: str, bundle: str, **notes: str) -> None:
    """Have a node whose host runs a release, by its kubelet and its keeper."""
    said = {"name": name, "annotations": {BUNDLES_NOTE: bundle, **notes}}
    version = f"v{bundle.partition('-')[0]}"
    if session.api.get("Node", name) is None:
        session.api.create({"apiVersion": "v1", "kind": "Node", "metadata": said})
    else:
        session.api.merge("Node", name, {"metadata": said})
    keys = ("architecture", "bootID", "containerRuntimeVersion", "kernelVersion", "machineID")
    more = ("kubeProxyVersion", "operatingSystem", "osImage", "systemUUID")
    info = {**dict.fromkeys(keys + more, "none"), "kubeletVersion": version}
    session.api.merge("Node", name, {"status": {"nodeInfo": info}}, status=True)


def upgrade(session: Session, phase: Phase | None, *, release: str | None = NEW) -> None:
    """Have an upgrade that is at a phase; None is one that nobody has looked at yet."""
    made: Object = session.api.create(of_order(Order(FEW, release)))
    if phase:
        session.api.set_fields(made, {"/status": {"phase": phase.value}}, status=True)


def prove(session: Session) -> None:
    """Have the API server that is wanted proven on this host."""
    proven = Proven(HOSTED.revision, TEMPLATE, "kubeception")
    revisions.keep(session.layout.revisions, proven, datetime.now(UTC))


def goes_by(kubernetes: str, emulates: str = "") -> ClusterSettings:
    [images] = [IMAGES[bundle] for bundle in IMAGES if bundle.startswith(kubernetes)]
    return structs.replace(SETTINGS, release=Release(kubernetes, images), emulates=emulates)


BEFORE = goes_by("1.36.4")
EMULATING = goes_by("1.37.1", "1.36")
WHOLE = goes_by("1.37.1")


def emulated(session: Session, before: ClusterSettings | None, wanted: ClusterSettings) -> str:
    cluster: ClusterFacts = replace(CLUSTER, before=before, settings=wanted)
    return gather.emulated(session, cluster, HOSTED, bundle=NEW)


@pytest.mark.parametrize("phase", [None, Phase.RUNNING, Phase.PAUSED])
def test_it_does_while_an_upgrade_to_the_next_minor_is_open(
    session: Session, phase: Phase | None
) -> None:
    upgrade(session, phase)

    assert emulated(session, BEFORE, WHOLE) == "1.36", "the run that brings it"
    prove(session)
    assert emulated(session, EMULATING, EMULATING) == "1.36", "and each one after that"


def test_by_hand_it_is_gone_to_for_good(session: Session) -> None:
    assert emulated(session, BEFORE, WHOLE) == ""
    upgrade(session, Phase.RUNNING, release=None)
    assert emulated(session, BEFORE, WHOLE) == "", "nodes that reboot are no upgrade"


def test_so_it_is_where_an_upgrade_to_another_release_has_stopped(session: Session) -> None:
    upgrade(session, Phase.ABORTED, release="1.36.5-89ab")

    assert emulated(session, BEFORE, WHOLE) == ""


def test_a_release_that_was_put_back_to_proves_nothing(session: Session) -> None:
    prove(session)
    upgrade(session, Phase.SUCCEEDED)
    cluster = replace(CLUSTER, before=EMULATING, settings=EMULATING)
    before = replace(HOSTED, image=IMAGES[OLD][apiserver.NAME])

    for hosted in (before, None):
        assert gather.emulated(session, cluster, hosted, bundle=NEW) == "1.36"


@pytest.mark.parametrize("kubernetes", ["1.37.1", "1.36.4"])
def test_no_release_passes_for_its_own_minor_or_a_later_one(
    session: Session, kubernetes: str
) -> None:
    upgrade(session, Phase.RUNNING)

    assert emulated(session, WHOLE, goes_by(kubernetes)) == ""
    assert emulated(session, EMULATING, goes_by("1.36.4", "1.36")) == "", "on the way back"


def test_after_a_good_end_it_does_until_its_api_server_has_proven_itself(session: Session) -> None:
    upgrade(session, Phase.SUCCEEDED)

    assert emulated(session, EMULATING, EMULATING) == "1.36"
    prove(session)
    assert emulated(session, EMULATING, EMULATING) == ""


@pytest.mark.parametrize("phase", [Phase.FAILED, Phase.ABORTED])
def test_one_that_has_stopped_is_over_when_every_node_is_on_its_release(
    session: Session, phase: Phase
) -> None:
    prove(session)
    upgrade(session, phase)
    lacking: list[dict[str, Any]] = [
        {"bundle": OLD},
        {"bundle": NEW, Errand.RELEASE.answer: f"u/{NEW}: it broke"},
        {"bundle": NEW, Errand.RELEASE.note: f"u/{NEW}"},
    ]
    on(session, "w1", NEW)

    for one in lacking:
        session.api.delete("Node", "w2")
        on(session, "w2", **one)
        assert emulated(session, EMULATING, EMULATING) == "1.36", one
    session.api.delete("Node", "w2")
    assert emulated(session, EMULATING, EMULATING) == ""


def test_the_keeper_may_ask(rig: Rig, session: Session) -> None:
    prove(session)
    upgrade(session, Phase.FAILED)

    with rig.session() as run:
        run.client = session.layout.pki.keeper
        cluster = replace(CLUSTER, before=EMULATING, settings=EMULATING)
        for name in FEW:
            assert gather.emulated(run, cluster, HOSTED, bundle=NEW) == "1.36"
            on(session, name, NEW)
        assert gather.emulated(run, cluster, HOSTED, bundle=NEW) == ""


def test_without_an_api_it_stays_as_the_hosts_copy_says(session: Session) -> None:
    assert emulated(session, None, EMULATING) == "1.36"
    assert emulated(session, None, WHOLE) == ""


@pytest.mark.parametrize(
    ("phase", "names"),
    [
        (None, {OLD, NEW}),
        (Phase.RUNNING, {OLD, NEW}),
        (Phase.FAILED, {OLD, NEW}),
        (Phase.ABORTED, {OLD}),
        (Phase.SUCCEEDED, set[str]()),
    ],
)
def test_what_an_upgrade_and_the_way_back_from_it_need_stays(
    session: Session, phase: Phase | None, names: set[str]
) -> None:
    made = session.api.create(of_order(Order(FEW, NEW, OLD)))
    if phase:
        session.api.set_fields(made, {"/status": {"phase": phase.value}}, status=True)

    assert way_back.needed(session) == names


def test_what_is_needed_is_not_known_where_the_api_is_silent(session: Session) -> None:
    assert way_back.needed(replace(session, api_port=1, is_patient=False)) == set()
