"""The roles by which a cluster lives, as etcd has them: which are gone, which somebody has changed.

Kubernetes' own, and ours.
"""

import json
from collections.abc import Iterator

import pytest
from tests.api.rig import Rig
from tests.fixed import FACTS

from kubeception.kept import default_roles
from kubeception.kept.default_roles import Whole
from kubeception.kube.client import Api, Object
from kubeception.kube.kinds import RBAC
from kubeception.phases import control_plane
from kubeception.resources.default_roles import KnownRoles
from kubeception.session import Session

ROLE, BINDING = "ClusterRole", "ClusterRoleBinding"
KNOWN = KnownRoles("1.37.1", default_roles.of_ours(control_plane.everything(FACTS)))


@pytest.fixture(scope="module", autouse=True)
def applied(rig: Rig) -> None:
    rig.apply_everything()


@pytest.fixture
def whole(session: Session) -> Whole:
    """All of them as they are, remembered."""
    KNOWN.apply(session)
    found = default_roles.read(session.layout.default_roles)
    assert found is not None
    return found


@pytest.fixture
def restored(api: Api) -> Iterator[list[Object]]:
    """Whatever a test puts in here is made again."""
    gone: list[Object] = []
    yield gone
    for one in gone:
        made = {name: one["metadata"][name] for name in ("name", "labels", "annotations")}
        api.delete(one["kind"], one["metadata"]["name"])
        api.create({**one, "metadata": made})


@pytest.fixture
def applied_again(rig: Rig) -> Iterator[None]:
    """What a test takes away of ours is put back."""
    yield
    rig.apply_everything()


def problem(session: Session) -> str | None:
    """Return what the keeper and status say of what is remembered."""
    return default_roles.problem(session.layout.default_roles, session.etcd)


def test_all_that_kubernetes_makes_is_looked_at(api: Api, whole: Whole) -> None:
    label = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    for kind in (ROLE, BINDING, "Role", "RoleBinding"):
        made = {
            " ".join((kind, "/".join(filter(None, (m.get("namespace"), m["name"])))))
            for m in (one["metadata"] for one in api.list(kind, labels=label))
        }
        assert made
        assert made <= {default_roles.told(key) for key in whole.revisions}


@pytest.mark.usefixtures("whole")
def test_nothing_is_told_where_nothing_has_changed(session: Session) -> None:
    assert problem(session) is None
    assert KNOWN.drift(session) is None


@pytest.mark.parametrize(
    ("kind", "name"), [(BINDING, "system:kube-scheduler"), (ROLE, "cluster-admin"), (ROLE, "view")]
)
def test_what_is_gone_is_named(
    kind: str, name: str, session: Session, api: Api, whole: Whole, restored: list[Object]
) -> None:
    found = api.get(kind, name)
    assert found is not None
    restored.append({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, **found})
    api.delete(kind, name)

    assert problem(session) == f"{kind} {name} is gone"
    now = default_roles.look(session.etcd)
    assert default_roles.changed(whole.revisions, now) == f"{kind} {name} is gone"


@pytest.mark.usefixtures("whole")
def test_what_was_emptied_is_named_and_what_is_added_to_by_controllers_is_not(
    session: Session, api: Api, restored: list[Object]
) -> None:
    for name in ("system:kube-scheduler", "edit"):
        found = api.get(ROLE, name)
        assert found is not None
        restored.append({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": ROLE, **found})
        api.set_fields(found, {"/rules": []})

    assert problem(session) == f"{ROLE} system:kube-scheduler: changed by somebody"


def test_what_others_call_so_is_theirs(session: Session, api: Api) -> None:
    """As monitoring does, whose manifests people delete and apply again."""
    name = "system:metrics-server"
    theirs = {"apiVersion": f"{RBAC}/v1", "kind": ROLE, "metadata": {"name": name}, "rules": []}
    api.create(theirs)
    KNOWN.apply(session)

    api.delete(ROLE, name)
    assert problem(session) is None
    api.create(theirs)
    assert problem(session) is None
    assert KNOWN.drift(session) is None
    api.delete(ROLE, name)


@pytest.mark.parametrize(
    "name",
    [
        "ClusterRoleBinding kubeadm:cluster-admins",
        "ClusterRoleBinding kubeadm:node-proxier",
        "ClusterRoleBinding flannel",
        "ClusterRole kubeception:keeper",
        "RoleBinding kubeception-join/kubeception:keeper",
        "Role default/kubeception-controller",
        "ServiceAccount kube-system/kube-proxy",
    ],
)
@pytest.mark.usefixtures("whole", "applied_again")
def test_of_ours_what_is_gone_is_named(name: str, session: Session) -> None:
    kind, _, at = name.partition(" ")
    namespace, _, own = at.rpartition("/")
    session.api.delete(kind, own, namespace=namespace or None)

    assert problem(session) == f"{name} is gone"


@pytest.mark.usefixtures("whole", "applied_again")
def test_of_ours_what_is_gone_when_they_are_remembered_is_missed(session: Session) -> None:
    session.api.delete(BINDING, "kubeadm:cluster-admins")

    KNOWN.apply(session)

    assert problem(session) == f"{BINDING} kubeadm:cluster-admins is gone"


@pytest.mark.usefixtures("whole", "applied_again")
def test_of_ours_what_is_changed_is_named_until_it_has_been_looked_at(
    rig: Rig, session: Session
) -> None:
    """A bootstrap keeps what somebody gives besides, and then nothing is to be done again."""
    group = {"apiGroup": RBAC, "kind": "Group", "name": "people"}
    more = json.dumps([{"op": "add", "path": "/subjects/-", "value": group}])
    name = "kubeadm:cluster-admins"
    rig.kubectl("patch", BINDING, name, "--type=json", "-p", more, "--field-manager=kubectl-edit")
    assert problem(session) == f"{BINDING} {name}: changed by somebody"

    for wanted in control_plane.plan(rig.config, FACTS):
        if name in str(wanted):
            assert wanted.drift(session) is None
    assert KNOWN.drift(session) == "they are others by now"
    KNOWN.apply(session)

    assert problem(session) is None


@pytest.mark.usefixtures("whole")
def test_of_an_account_it_counts_that_it_is_there(rig: Rig, session: Session) -> None:
    rig.kubectl("-n", "kube-system", "annotate", "sa", "coredns", "owner=me", "--overwrite")

    assert problem(session) is None


@pytest.mark.usefixtures("applied_again")
def test_what_an_earlier_version_remembers_says_nothing_of_ours(
    session: Session, whole: Whole
) -> None:
    at = session.layout.default_roles
    at.write_text(json.dumps({"kubernetes": whole.kubernetes, "revisions": whole.revisions}))
    session.api.delete(BINDING, "kubeadm:node-proxier")

    assert problem(session) is None
    assert KNOWN.drift(session) == "they are others by now"


def test_what_is_remembered_is_read_as_it_was_written(rig: Rig, whole: Whole) -> None:
    at = rig.root / "default-roles.json"
    default_roles.write(at, whole)
    assert default_roles.read(at) == whole
    for torn in ("{", "[]", '{"kubernetes": "1.37.1", "revisions": {}, "ours": []}'):
        at.write_text(torn)
        assert default_roles.read(at) is None
