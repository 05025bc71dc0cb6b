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

from kubeception import revisions
from kubeception.facts import Proven
from kubeception.keeper import acts
from kubeception.keeper.rollout import Rollout, Server
from kubeception.kube.client import KEEPER, Credential
from kubeception.kube.kinds import RBAC
from kubeception.phases import control_plane
from kubeception.reach import Reach
from kubeception.render import apiserver, keeper, revision
from kubeception.render.objects import NAMESPACE
from kubeception.resources.object import Object
from kubeception.resources.revision import Revision, daemonset, editor

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
    with rig.reach(force_conflicts=True) as forced:
        for wanted in control_plane.plan(CONFIG, FACTS):
            if wanted.drift(forced):
                wanted.apply(forced)


@pytest.fixture
def watching(rig: Rig, reach: Reach) -> Iterator[Reach]:
    """A run with the keeper's own credential."""
    with rig.reach() as made:
        made.client = reach.layout.pki.keeper
        yield made


def edit(rig: Rig, *flags: str) -> None:
    """Add flags as a person does; kubectl is the field manager then."""
    template = copy.deepcopy(WANTED.wanted["spec"]["template"])
    words = [*template["spec"]["containers"][0]["command"], *flags]
    change = f'[{{"op": "replace", "path": "{COMMAND}", "value": {words}}}]'.replace("'", '"')
    name = f"daemonset/{apiserver.NAME}"
    rig.kubectl(*SYSTEM, "patch", name, "--type=json", "-p", change, "--field-manager=kubectl-edit")


COMMAND = "/spec/template/spec/containers/0/command"


def found(reach: Reach) -> dict[str, Any]:
    it = daemonset(reach)
    assert it is not None
    return it


def rollout_of(reach: Reach, **more: Any) -> Rollout:
    template = found(reach)["spec"]["template"]
    port = revision.port_of(template)
    return Rollout(revision.identity(template), port, **{"live": port, **more})


APPS, LEASES = "apps", "coordination.k8s.io"


def here(verb: str, resource: str, group: str = "", name: str = "") -> Right:
    return Right(verb, resource, group, name, NAMESPACE)


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
)
REFUSED = (
    *EVERYTHING,
    here("get", "secrets"),
    here("list", "configmaps"),
    here("create", "pods"),
    here("delete", "pods"),
    here("patch", "pods"),
    Right("list", "pods", namespace="default"),
    here("create", "pods/exec"),
    here("patch", "daemonsets", APPS, "kube-proxy"),
    here("delete", "daemonsets", APPS, apiserver.NAME),
    here("patch", "deployments", APPS),
    here("patch", "leases", LEASES, "kube-scheduler"),
    here("create", "leases", LEASES),
    Right("list", "nodes"),
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
    pair = rig.reach().layout.pki.keeper

    assert may(rig, Credential(pair.certificate, pair.key), right) is is_theirs


def test_an_edit_stays_the_editors_on_another_port(rig: Rig, reach: Reach, watching: Reach) -> None:
    edit(rig, "--v=3")

    acts.move(watching, rollout_of(reach), acts.lease_of(watching, NODE))

    moved = found(reach)
    assert revision.port_of(moved["spec"]["template"]) == 6446
    assert editor(moved) == "kubectl-edit"
    assert WANTED.drift(reach) is None  # kept as somebody else has it
    assert "--v=3" in found(reach)["spec"]["template"]["spec"]["containers"][0]["command"]


def test_of_two_keepers_that_see_the_same_edit_one_moves_it(
    rig: Rig, reach: Reach, watching: Reach
) -> None:
    """In the middle of a roll a port of the pool is free, whoever writes it, and stays."""
    edit(rig, "--v=3")
    old = [Server(f"api-{n}", str(n), 6445 + n, answers=True) for n in range(5)]
    seen = rollout_of(reach, servers=tuple(old[:2]), elsewhere=tuple(old[2:]))
    assert seen.is_in_its_own_way()

    ports = []
    for node in (NODE, "cp2", NODE):
        acts.move(watching, seen, acts.lease_of(watching, node))
        ports.append(revision.port_of(found(reach)["spec"]["template"]))

    assert ports == [6450] * 3
    assert not rollout_of(reach, live=6445, elsewhere=tuple(old[2:])).is_in_its_own_way()


def test_an_edit_made_meanwhile_is_kept(rig: Rig, reach: Reach) -> None:
    seen = found(reach)["spec"]["template"]
    edit(rig, "--v=3")
    edited = found(reach)["spec"]["template"]

    Revision(revision.at_port(seen, 6449), KEEPER, "why", over=revision.identity(seen)).apply(reach)

    assert found(reach)["spec"]["template"] == edited


def test_what_is_put_back_is_ours_again_and_told(rig: Rig, reach: Reach, watching: Reach) -> None:
    before = found(reach)
    good = before["spec"]["template"]
    folder = reach.layout.revisions
    revisions.keep(
        folder,
        Proven(revision.identity(good), good, editor(before)),
        datetime.fromisoformat("2026-03-01T12:00:00Z"),
    )
    edit(rig, "--nonsense")
    broken = rollout_of(reach, proven=(revision.identity(good),))

    acts.put_back(watching, broken, acts.lease_of(watching, NODE), why="it has restarted 3 times")

    template = found(reach)["spec"]["template"]
    assert revision.identity(template) == revision.identity(good)
    remembered = revisions.broken(folder)
    assert remembered is not None
    assert (remembered.revision, remembered.settings) == (broken.wanted, "")
    assert revisions.refused_by(found(reach)["metadata"]) == remembered
    events = rig.kubectl(*SYSTEM, "get", "events", "--field-selector=reason=PutBack").stdout
    assert "it has restarted 3 times" in events


def test_new_settings_of_ours_go_over_what_was_put_back(
    rig: Rig, reach: Reach, watching: Reach
) -> None:
    """Also where the edit wrote what the proven revision has as well: it was moved to its port."""
    good = found(reach)
    proven = Proven(revision.identity(good["spec"]["template"]), good["spec"]["template"], KEEPER)
    revisions.keep(reach.layout.revisions, proven, datetime.fromisoformat("2026-03-01T12:00:00Z"))
    edit(rig, "--nonsense")
    acts.move(watching, rollout_of(reach, live=6445), acts.lease_of(watching, NODE))
    broken = rollout_of(reach, live=6445, proven=(proven.revision,))
    acts.put_back(watching, broken, acts.lease_of(watching, NODE), why="it has restarted 3 times")
    assert revision.port_of(found(reach)["spec"]["template"]) not in {6445, broken.port}

    changed = copy.deepcopy(WANTED.wanted)  # at another port
    changed["spec"]["template"]["spec"]["containers"][0]["command"].append("--v=5")
    Object(changed).apply(reach)

    assert "--v=5" in found(reach)["spec"]["template"]["spec"]["containers"][0]["command"]


def test_settings_of_ours_that_were_put_back_are_remembered_as_such(
    reach: Reach, watching: Reach
) -> None:
    good = found(reach)["spec"]["template"]
    ours = copy.deepcopy(WANTED.wanted)
    ours["spec"]["template"]["metadata"]["annotations"][apiserver.TEMPLATE_NOTE] = "new"
    Object(ours).apply(reach)

    Revision(good, "kubeception-keeper", instead_of="it did not serve").apply(watching)

    remembered = revisions.broken(reach.layout.revisions)
    assert remembered is not None
    assert remembered.settings == "new"


def test_the_lease_is_written_and_let_go_again(reach: Reach, watching: Reach) -> None:
    rollout = rollout_of(reach)

    acts.prove(watching, rollout, acts.lease_of(watching, NODE))

    lease = reach.api.get("Lease", keeper.LEASE, namespace=NAMESPACE)
    assert lease is not None
    assert lease["spec"]["renewTime"]
    assert lease["spec"]["holderIdentity"] == ""
    assert revisions.kept(reach.layout.revisions)[0].proven.revision == rollout.wanted


def test_acts_killed_at_every_step_are_finished_by_the_next_look(
    rig: Rig, reach: Reach, tmp_path: Path, note: Note
) -> None:
    good = found(reach)["spec"]["template"]
    one = revision.identity(good)
    seen = rollout_of(reach)

    def act(work: Callable[[Reach], object]) -> int:
        """Have a keeper do something until it is not killed; return how often it was."""

        def once() -> None:
            with rig.reach() as made:
                made.client = reach.layout.pki.keeper
                work(made)

        reach.hang_up()  # a connection is no child's to share
        log = tmp_path / str(len(list(tmp_path.iterdir())))
        return len(ratchet(once, log=log))

    proving = act(lambda made: acts.prove(made, seen, acts.lease_of(made, NODE)))
    assert revisions.kept(reach.layout.revisions)[0].proven.revision == one

    edit(rig, "--v=7")
    edited = rollout_of(reach, proven=(one,))
    moving = act(lambda made: acts.move(made, edited, acts.lease_of(made, NODE)))
    assert revision.port_of(found(reach)["spec"]["template"]) == 6446

    moved = rollout_of(reach, live=6445, proven=(one,))
    putting = act(
        lambda made: acts.put_back(made, moved, acts.lease_of(made, NODE), why="it is broken")
    )
    assert revision.identity(found(reach)["spec"]["template"]) == one
    broken = revisions.broken(reach.layout.revisions)
    assert broken is not None
    assert broken.revision == moved.wanted
    note(f"the keeper killed at each of its {proving + moving + putting} steps, and finished them")
    assert min(proving, moving, putting) > 0
