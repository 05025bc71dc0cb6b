"""Every object that we want, against a real API: applied once, kept, shown, brought back."""

import contextlib
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from tests.api.rig import Rig
from tests.fixed import CONFIG, FACTS, HOST

from kubeception.engine import Phase, carry_out, dry_run
from kubeception.kube.kinds import identity
from kubeception.phases import control_plane
from kubeception.phases.control_plane import CONTROL_PLANE
from kubeception.phases.pruned import PRUNED
from kubeception.pki.catalog import ADMINS
from kubeception.pki.token import Role
from kubeception.render.join_records import NodeRecord, from_node
from kubeception.render.objects import MANAGED_BY
from kubeception.report import Steps
from kubeception.resources.object import Object
from kubeception.session import Session

WANTED = {str(wanted): wanted for wanted in control_plane.plan(CONFIG, FACTS)}
COREDNS = WANTED["Deployment kube-system/coredns"]
PLACES = {
    identity(wanted): (wanted["kind"], wanted["metadata"])
    for resource in WANTED.values()
    if isinstance(resource, Object)
    for wanted in [resource.wanted]
}


@pytest.fixture(scope="module", autouse=True)
def applied(rig: Rig) -> None:
    """Everything, applied once."""
    with rig.session() as session:
        for wanted in WANTED.values():
            if wanted.drift(session):
                wanted.apply(session)


@contextlib.contextmanager
def collected(name: str, level: int) -> Iterator[list[str]]:
    """What a logger says within the block."""
    said = list[str]()

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger, collect = logging.getLogger(name), Collect(level)
    before = logger.level
    logger.addHandler(collect)
    logger.setLevel(min(level, before) if before else level)
    try:
        yield said
    finally:
        logger.removeHandler(collect)
        logger.setLevel(before)


@pytest.fixture
def warned() -> Iterator[list[str]]:
    """The warnings of this test."""
    with collected("kubeception", logging.WARNING) as said:
        yield said


def versions(session: Session) -> dict[str, str]:
    """Return each object's resourceVersion, which every write moves."""
    found = {
        name: session.api.get(kind, metadata["name"], namespace=metadata.get("namespace"))
        for name, (kind, metadata) in PLACES.items()
    }
    return {name: it["metadata"]["resourceVersion"] for name, it in found.items() if it}


@pytest.fixture
def nobody_else_writes(rig: Rig, session: Session) -> Iterator[None]:
    """The controller-manager stands still, and what it had asked for is done."""
    with rig.programs["kube-controller-manager"].standing_still():
        seen = [versions(session)]

        def quiet() -> bool:
            seen.append(versions(session))
            return seen[-1] == seen[-2]

        rig.until("the API to be quiet", quiet)
        yield


def coredns(session: Session) -> dict[str, object]:
    found = session.api.get("Deployment", "coredns", namespace="kube-system")
    assert found
    return found


def test_everything_is_there_and_as_wanted(session: Session) -> None:
    assert {name: wanted.drift(session) for name, wanted in WANTED.items()} == dict.fromkeys(WANTED)


@pytest.mark.usefixtures("nobody_else_writes")
def test_applying_everything_again_writes_nothing(session: Session) -> None:
    # A policy whose types were checked says so by an empty field, which the first apply drops.
    for wanted in WANTED.values():
        wanted.apply(session)
    before = versions(session)
    assert set(before) == set(WANTED)

    for wanted in WANTED.values():
        wanted.apply(session)
    assert versions(session) == before


def test_an_object_costs_two_requests_whether_it_is_missing_or_there(session: Session) -> None:
    """Looked for and applied, or looked for and compared: bootstrap has more than a hundred."""
    made = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "two-requests", "namespace": "default"},
        "data": {"what": "one of many"},
    }
    phase = Phase("two", "applying one object", lambda *_: [Object(made)])
    log = logging.getLogger("kubeception.test")

    def run() -> tuple[list[str], list[str]]:
        with collected("httpx2", logging.INFO) as asked, Steps(log) as steps:
            done = carry_out([phase], session, gather=lambda: FACTS, steps=steps)
        return done.changes, [said.split()[2] for said in asked]

    assert run() == (["two: ConfigMap default/two-requests: missing"], ["GET", "PATCH"])
    assert run() == ([], ["GET", "PATCH"])
    session.api.delete("ConfigMap", "two-requests", namespace="default")


def test_the_services_have_their_addresses(session: Session) -> None:
    kubernetes = session.api.get("Service", "kubernetes", namespace="default")
    dns = session.api.get("Service", "kube-dns", namespace="kube-system")
    slices = session.api.list("EndpointSlice", namespace="default")

    assert kubernetes and dns
    assert kubernetes["spec"]["clusterIP"] == str(CONFIG.net.apiserver_ip)
    assert dns["spec"]["clusterIP"] == str(CONFIG.net.dns_ip)
    # Neither an API server nor the controller that mirrors Endpoints adds one.
    assert [one["endpoints"][0]["addresses"] for one in slices] == [[str(HOST.address)]]


def test_nobody_is_an_administrator_but_the_administrators(session: Session) -> None:
    found = [
        subject["name"]
        for binding in session.api.list("ClusterRoleBinding")
        for subject in binding.get("subjects") or []
        if binding["roleRef"]["name"] == "cluster-admin"
    ]

    # The first is the API's own, and nobody's who has not made its certificate on the host.
    assert sorted(found) == sorted(["system:masters", ADMINS])


@pytest.mark.parametrize(
    "name",
    # A namespace that is deleted goes in its own time, with all that is in it.
    [
        name
        for name in WANTED
        if not name.endswith("default/kubernetes") and not name.startswith("Namespace ")
    ],
)
def test_a_deleted_object_comes_back(rig: Rig, name: str, session: Session) -> None:
    kind, metadata = PLACES[name]
    wanted = WANTED[name]
    session.api.delete(kind, metadata["name"], namespace=metadata.get("namespace"))

    # Of a custom resource the objects go first.
    rig.until("it to be gone", lambda: wanted.drift(session) == "missing")
    wanted.apply(session)
    assert wanted.drift(session) is None


def test_what_a_user_adds_is_kept(rig: Rig, session: Session, warned: list[str]) -> None:
    rig.kubectl("-n", "kube-system", "annotate", "deployment/coredns", "owner=me", "--overwrite")

    assert COREDNS.drift(session) is None
    COREDNS.apply(session)
    assert "'owner': 'me'" in str(coredns(session)["metadata"])
    assert warned == []


def test_what_a_user_changes_is_kept_and_told(
    rig: Rig, session: Session, warned: list[str]
) -> None:
    rig.kubectl("-n", "kube-system", "scale", "deployment/coredns", "--replicas=3")

    assert COREDNS.drift(session) is None
    assert scale(session) == 3
    [told] = warned
    assert "Deployment kube-system/coredns: kept as somebody else has it" in told
    assert ".spec.replicas" in told


def test_force_takes_it_back(rig: Rig, session: Session) -> None:
    rig.kubectl("-n", "kube-system", "scale", "deployment/coredns", "--replicas=4")

    with rig.session(force_conflicts=True) as forced:
        assert COREDNS.drift(forced) == ".spec.replicas differs"
        assert scale(session) == 4
        COREDNS.apply(forced)
        assert COREDNS.drift(forced) is None
    assert scale(session) == 2
    assert COREDNS.drift(session) is None


def test_a_diff_shows_what_an_apply_would_make_and_writes_nothing(
    rig: Rig, session: Session
) -> None:
    rig.kubectl("-n", "kube-system", "scale", "deployment/coredns", "--replicas=5")
    before = versions(session)

    with rig.session(force_conflicts=True) as forced:
        preview = dry_run([CONTROL_PLANE], forced, gather=lambda: FACTS)

    [change] = preview.changes
    assert str(change) == f"control-plane: {COREDNS}: .spec.replicas differs"
    assert [line.strip() for line in change.diff if line[0] in "+-"][2:] == [
        '-    "replicas": 5,',
        '+    "replicas": 2,',
    ]
    assert preview.not_planned == []
    assert versions(session).keys() == before.keys()
    assert scale(session) == 5
    rig.kubectl("-n", "kube-system", "scale", "deployment/coredns", "--replicas=2")


def test_nothing_of_a_secret_is_shown(session: Session) -> None:
    metadata = {"name": "hush", "namespace": "default"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}

    assert Object({**secret, "stringData": {"password": "after-it"}}).diff(session) == ()


def scale(session: Session) -> object:
    spec = coredns(session)["spec"]
    assert isinstance(spec, dict)
    return spec["replicas"]


def test_a_controllers_write_is_no_drift(rig: Rig, session: Session) -> None:
    """One that comes between the two answers that are compared, as after every first apply."""
    wanted = WANTED["Deployment kube-system/kubeception"]

    for _ in range(20):
        session.api.delete("Deployment", "kubeception", namespace="kube-system")
        wanted.apply(session)
        assert wanted.drift(session) is None


def test_a_field_that_was_ours_and_is_wanted_no_more_goes(session: Session) -> None:
    made = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "shrinking", "namespace": "default"},
        "data": {"a": "1", "b": "2"},
    }
    Object(made).apply(session)
    smaller = Object({**made, "data": {"a": "1"}})

    assert smaller.drift(session) == ".data.b differs"
    smaller.apply(session)
    assert smaller.drift(session) is None


@pytest.mark.usefixtures("nobody_else_writes")
def test_looking_for_drift_writes_nothing(session: Session) -> None:
    before = versions(session)

    for wanted in WANTED.values():
        wanted.drift(session)
    assert versions(session) == before


@pytest.mark.parametrize("component", ["kube-controller-manager", "kube-scheduler"])
def test_pods_are_made_of_the_templates(component: str, rig: Rig, session: Session) -> None:
    """The API takes the objects; the controller-manager has to take their templates too."""
    labels = {"component": component}
    rig.until(
        "two pods",
        lambda: len(session.api.list("Pod", namespace="kube-system", labels=labels)) == 2,
    )


def labelled(kind: str, name: str, **about: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "kube-system", "labels": dict(MANAGED_BY), **about}
    version = "apps/v1" if kind == "DaemonSet" else "v1"
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def test_only_what_bootstrap_has_applied_and_wants_no_more_is_removed(
    rig: Rig, session: Session
) -> None:
    [other_version] = [labelled("ConfigMap", "of-a-version-before")]
    Object(other_version).apply(session)
    Object(from_node(NodeRecord("w9", "t", Role.WORKER, (ip_address("192.0.2.9"),)))).apply(session)
    owner = session.api.get("Deployment", "coredns", namespace="kube-system")
    assert owner
    owned = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "coredns"}
    owned["uid"] = owner["metadata"]["uid"]
    Object(labelled("ConfigMap", "owned", ownerReferences=[owned])).apply(session)
    text = json.dumps(labelled("ConfigMap", "of-a-person"))
    (rig.root / "of-a-person.json").write_text(text)
    rig.kubectl("create", "-f", str(rig.root / "of-a-person.json"))
    [others] = PRUNED.plan(CONFIG, replace(FACTS, is_attended=True))
    assert others.drift(session) == "ConfigMap kube-system/of-a-version-before"
    before = versions(session)
    others.apply(session)

    assert others.drift(session) is None
    assert versions(session).keys() == before.keys()
    for name in ("owned", "of-a-person"):
        assert session.api.get("ConfigMap", name, namespace="kube-system")
        session.api.delete("ConfigMap", name, namespace="kube-system")
    assert session.api.get("ConfigMap", "node-w9", namespace="kubeception-join")
    session.api.delete("ConfigMap", "node-w9", namespace="kubeception-join")
