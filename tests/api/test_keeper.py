"""What the keeper may do in a real API, and that what it writes stays whose it was."""

import copy
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.api.rig import Rig
from tests.api.rights import EVERYTHING, Right, may
from tests.conftest import Note
from tests.fixed import CLUSTER, CONFIG, FACTS, HOST
from tests.killed import ratchet
from tests.unit.sessions import Hands

from kubeception.errors import ApiError
from kubeception.facts import Proven
from kubeception.host.gateway import Host
from kubeception.keeper import actions, api_places, observer
from kubeception.keeper.observer import Observer
from kubeception.keeper.refused import REFUSED_S
from kubeception.keeper.rollout import Rollout, Server
from kubeception.kept import revisions
from kubeception.kube.client import KEEPER, Credential
from kubeception.kube.kinds import RBAC
from kubeception.phases import control_plane
from kubeception.render import apiserver, keeper, revision
from kubeception.render.objects import NAMESPACE
from kubeception.resources.object import Object
from kubeception.resources.revision import Revision, daemonset, editor
from kubeception.session import Session

NODE = HOST.node
WANTED = Object(apiserver.daemonset(CLUSTER))
SYSTEM = ("-n", NAMESPACE)


@pytest.fixture(autouse=True)
def applied(rig: Rig) -> Iterator[None]:
    """Everything that we manage as we want it, before a test and after it."""
    apply_all(rig)
    yield
    apply_all(rig)


def apply_all(rig: Rig) -> None:
    with rig.session(force_conflicts=True) as forced:
        for wanted in control_plane.plan(CONFIG, FACTS):
            if wanted.drift(forced):
                wanted.apply(forced)


@pytest.fixture
def watching(rig: Rig, session: Session) -> Iterator[Session]:
    """A run with the keeper's own credential."""
    with rig.session() as made:
        made.client = session.layout.pki.keeper
        yield made


def edit(rig: Rig, *flags: str) -> None:
    """Add flags as a person does; kubectl is the field manager then."""
    template = copy.deepcopy(WANTED.wanted["spec"]["template"])
    words = [*template["spec"]["containers"][0]["command"], *flags]
    change = f'[{{"op": "replace", "path": "{COMMAND}", "value": {words}}}]'.replace("'", '"')
    name = f"daemonset/{apiserver.NAME}"
    rig.kubectl(*SYSTEM, "patch", name, "--type=json", "-p", change, "--field-manager=kubectl-edit")


COMMAND = "/spec/template/spec/containers/0/command"


def found(session: Session) -> dict[str, Any]:
    it = daemonset(session)
    assert it is not None
    return it


def rollout_of(session: Session, **more: Any) -> Rollout:
    template = found(session)["spec"]["template"]
    port = revision.port_of(template)
    return Rollout(revision.identity(template), port, **{"live": port, **more})


APPS, LEASES, DISCOVERY = "apps", "coordination.k8s.io", "discovery.k8s.io"


def here(verb: str, resource: str, group: str = "", name: str = "") -> Right:
    return Right(verb, resource, group, name, NAMESPACE)


def writers(daemonset: dict[str, Any], note: str) -> set[str]:
    """Return whose an annotation is."""
    return {
        one["manager"]
        for one in daemonset["metadata"]["managedFields"]
        if f"f:{note}" in one["fieldsV1"].get("f:metadata", {}).get("f:annotations", {})
    }


ALLOWED = (
    here("get", "daemonsets", APPS, apiserver.NAME),
    here("patch", "daemonsets", APPS, apiserver.NAME),
    here("list", "controllerrevisions", APPS),
    here("list", "pods"),
    here("patch", "pods/status"),
    here("create", "events"),
    here("get", "leases", LEASES, keeper.LEASE),
    here("patch", "leases", LEASES, keeper.LEASE),
    here("get", "leases", LEASES, "kube-scheduler"),
    Right("get", "nodes"),
    Right("list", "nodes"),
    here("get", "services", name="kube-dns"),
    here("list", "endpointslices", DISCOVERY),
    Right("get", "endpoints", name="kubernetes", namespace="default"),
    Right("get", "endpointslices", DISCOVERY, "kubernetes", "default"),
)
REFUSED = (
    *EVERYTHING,
    here("get", "secrets"),
    here("list", "configmaps"),
    here("create", "pods"),
    here("delete", "pods"),
    here("patch", "pods"),
    Right("list", "pods", namespace="default"),
    Right("get", "endpoints", name="other", namespace="default"),
    Right("patch", "endpointslices", DISCOVERY, "kubernetes", "default"),
    here("create", "pods/exec"),
    here("patch", "daemonsets", APPS, "kube-proxy"),
    here("delete", "daemonsets", APPS, apiserver.NAME),
    here("patch", "deployments", APPS),
    here("patch", "leases", LEASES, "kube-scheduler"),
    here("create", "leases", LEASES),
    Right("patch", "nodes"),
    here("create", "serviceaccounts/token"),
    Right("create", "clusterrolebindings", RBAC),
    Right("create", "certificatesigningrequests", "certificates.k8s.io"),
    Right("impersonate", "users"),
)


@pytest.mark.parametrize(
    ("right", "is_theirs"),
    [*((one, True) for one in ALLOWED), *((one, False) for one in REFUSED)],
    ids=str,
)
def test_the_keeper_may_do_its_work_and_nothing_else(
    rig: Rig, right: Right, *, is_theirs: bool
) -> None:
    pair = rig.session().layout.pki.keeper

    assert may(rig, Credential(pair.certificate, pair.key), right) is is_theirs


def test_a_keeper_that_lost_its_rights_sees_it_and_that_it_has_them_again(
    rig: Rig, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observer, "API_PORT", rig.ports.api)
    session.api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
    session.api.delete("ClusterRoleBinding", "kubeception:keeper")
    hands = Hands()
    made = rig.session()
    made.host = Host(root=rig.root, clock=hands.clock())
    made.client = session.layout.pki.keeper
    with made as watching:

        def is_refused() -> bool:
            try:
                watching.api.get("Node", NODE)
            except ApiError as error:
                return error.status == 403
            return False

        rig.until("the API to refuse it", is_refused)
        watch = Observer(watching, NODE)
        assert watch.observe().refused is None  # for a moment
        hands.sleep(REFUSED_S)
        seen = watch.observe()
        assert seen.refused and f'nodes "{NODE}" is forbidden' in seen.refused
        assert seen.is_refusal_due

        apply_all(rig)
        rig.until("the API to allow it", lambda: not is_refused())
        seen = watch.observe()
        assert (seen.refused, seen.is_refusal_due) == (None, False)


def test_an_edit_stays_the_editors_on_another_port(
    rig: Rig, session: Session, watching: Session
) -> None:
    edit(rig, "--v=3")

    actions.move(watching, rollout_of(session), actions.lease_of(watching, NODE))

    moved = found(session)
    assert revision.port_of(moved["spec"]["template"]) == 6446
    assert editor(moved) == "kubectl-edit"
    assert WANTED.drift(session) is None  # kept as somebody else has it
    assert "--v=3" in found(session)["spec"]["template"]["spec"]["containers"][0]["command"]


def test_of_two_keepers_that_see_the_same_edit_one_moves_it(
    rig: Rig, session: Session, watching: Session
) -> None:
    """In the middle of a roll a port of the pool is free, whoever writes it, and stays."""
    edit(rig, "--v=3")
    old = [Server(f"api-{n}", str(n), 6445 + n, answers=True) for n in range(5)]
    seen = rollout_of(session, servers=tuple(old[:2]), elsewhere=tuple(old[2:]))
    assert seen.is_in_its_own_way()

    ports = []
    for node in (NODE, "cp2", NODE):
        actions.move(watching, seen, actions.lease_of(watching, node))
        ports.append(revision.port_of(found(session)["spec"]["template"]))

    assert ports == [6450] * 3
    assert not rollout_of(session, live=6445, elsewhere=tuple(old[2:])).is_in_its_own_way()


def test_an_edit_made_meanwhile_is_kept(rig: Rig, session: Session) -> None:
    seen = found(session)["spec"]["template"]
    edit(rig, "--v=3")
    edited = found(session)["spec"]["template"]

    Revision(revision.at_port(seen, 6449), KEEPER, "why", over=revision.identity(seen)).apply(
        session
    )

    assert found(session)["spec"]["template"] == edited


def test_what_is_put_back_is_ours_again_and_told(
    rig: Rig, session: Session, watching: Session
) -> None:
    before = found(session)
    good = before["spec"]["template"]
    folder = session.layout.revisions
    revisions.keep(
        folder,
        Proven(revision.identity(good), good, editor(before)),
        datetime.fromisoformat("2026-03-01T12:00:00Z"),
    )
    edit(rig, "--nonsense")
    broken = rollout_of(session, proven=(revision.identity(good),))

    actions.put_back(
        watching, broken, actions.lease_of(watching, NODE), why="it has restarted 3 times"
    )

    template = found(session)["spec"]["template"]
    assert revision.identity(template) == revision.identity(good)
    remembered = revisions.broken(folder)
    assert remembered is not None
    assert (remembered.revision, remembered.settings) == (broken.wanted, "")
    assert revisions.refused_by(found(session)["metadata"]) == remembered
    assert writers(found(session), apiserver.REFUSED_NOTE) == {KEEPER}
    WANTED.apply(session)  # which names no annotation of the keepers'
    assert revisions.refused_by(found(session)["metadata"]) == remembered
    events = rig.kubectl(*SYSTEM, "get", "events", "--field-selector=reason=PutBack").stdout
    assert "it has restarted 3 times" in events


def test_new_settings_of_ours_go_over_what_was_put_back(
    rig: Rig, session: Session, watching: Session
) -> None:
    """Also where the edit wrote what the proven revision has as well: it was moved to its port."""
    good = found(session)
    proven = Proven(revision.identity(good["spec"]["template"]), good["spec"]["template"], KEEPER)
    revisions.keep(session.layout.revisions, proven, datetime.fromisoformat("2026-03-01T12:00:00Z"))
    edit(rig, "--nonsense")
    actions.move(watching, rollout_of(session, live=6445), actions.lease_of(watching, NODE))
    broken = rollout_of(session, live=6445, proven=(proven.revision,))
    actions.put_back(
        watching, broken, actions.lease_of(watching, NODE), why="it has restarted 3 times"
    )
    assert revision.port_of(found(session)["spec"]["template"]) not in {6445, broken.port}

    changed = copy.deepcopy(WANTED.wanted)  # at another port
    changed["spec"]["template"]["spec"]["containers"][0]["command"].append("--v=5")
    Object(changed).apply(session)

    assert "--v=5" in found(session)["spec"]["template"]["spec"]["containers"][0]["command"]


def test_settings_of_ours_that_were_put_back_are_remembered_as_such(
    session: Session, watching: Session
) -> None:
    good = found(session)["spec"]["template"]
    ours = copy.deepcopy(WANTED.wanted)
    ours["spec"]["template"]["metadata"]["annotations"][apiserver.TEMPLATE_NOTE] = "new"
    Object(ours).apply(session)

    Revision(good, "kubeception-keeper", instead_of="it did not serve").apply(watching)

    remembered = revisions.broken(session.layout.revisions)
    assert remembered is not None
    assert remembered.settings == "new"


def edited(path: str, value: str) -> str:
    return f'[{{"op": "replace", "path": "{path}", "value": {value}}}]'


EDITS = {
    "endpointslice": edited("/endpoints/0/addresses/0", '"192.0.2.99"'),
    "endpoints": edited("/subsets/0/ports/0/port", "6444"),
}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("endpointslice", "EndpointSlice default/kubernetes leads to 192.0.2.99:6443, not to"),
        ("endpoints", "Endpoints default/kubernetes leads to 192.0.2.10:6444, not to"),
    ],
)
def test_a_place_of_the_apis_service_that_was_edited_is_seen_and_put_back(
    rig: Rig, watching: Session, kind: str, said: str
) -> None:
    def problem() -> str | None:
        return api_places.problem(watching, NODE, HOST.address)

    assert problem() is None
    rig.kubectl("annotate", kind, "kubernetes", "note=somebodys", "--overwrite")
    assert problem() is None

    rig.kubectl("patch", kind, "kubernetes", "--type=json", "-p", EDITS[kind])

    assert problem() == f"{said} 192.0.2.10:6443"
    with rig.session() as bootstrap:
        for wanted in control_plane.plan(CONFIG, FACTS):
            if wanted.drift(bootstrap):
                wanted.apply(bootstrap)
    assert problem() is None


def test_a_keeper_that_may_not_see_the_apis_places_yet_says_nothing(
    rig: Rig, watching: Session
) -> None:
    rig.kubectl("patch", "endpointslice", "kubernetes", "--type=json", "-p", EDITS["endpointslice"])
    rig.kubectl("delete", "--namespace=default", "role", "kubeception:keeper")

    def says_nothing() -> bool:
        return api_places.problem(watching, NODE, HOST.address) is None

    rig.until("the right to be gone, and nothing to be said", says_nothing)


def test_the_lease_is_written_and_let_go_again(session: Session, watching: Session) -> None:
    rollout = rollout_of(session)

    actions.prove(watching, rollout, actions.lease_of(watching, NODE))

    lease = session.api.get("Lease", keeper.LEASE, namespace=NAMESPACE)
    assert lease is not None
    assert lease["spec"]["renewTime"]
    assert lease["spec"]["holderIdentity"] == ""
    assert revisions.kept(session.layout.revisions)[0].proven.revision == rollout.wanted


def test_acts_killed_at_every_step_are_finished_by_the_next_look(
    rig: Rig, session: Session, tmp_path: Path, note: Note
) -> None:
    good = found(session)["spec"]["template"]
    one = revision.identity(good)
    seen = rollout_of(session)

    def act(work: Callable[[Session], object]) -> int:
        """Have a keeper do something until it is not killed; return how often it was."""

        def once() -> None:
            with rig.session() as made:
                made.client = session.layout.pki.keeper
                work(made)

        session.hang_up()  # a connection is no child's to share
        log = tmp_path / str(len(list(tmp_path.iterdir())))
        return len(ratchet(once, log=log))

    proving = act(lambda made: actions.prove(made, seen, actions.lease_of(made, NODE)))
    assert revisions.kept(session.layout.revisions)[0].proven.revision == one

    edit(rig, "--v=7")
    edited = rollout_of(session, proven=(one,))
    moving = act(lambda made: actions.move(made, edited, actions.lease_of(made, NODE)))
    assert revision.port_of(found(session)["spec"]["template"]) == 6446

    moved = rollout_of(session, live=6445, proven=(one,))
    putting = act(
        lambda made: actions.put_back(made, moved, actions.lease_of(made, NODE), why="it is broken")
    )
    assert revision.identity(found(session)["spec"]["template"]) == one
    broken = revisions.broken(session.layout.revisions)
    assert broken is not None
    assert broken.revision == moved.wanted
    note(f"the keeper killed at each of its {proving + moving + putting} steps, and finished them")
    assert min(proving, moving, putting) > 0
