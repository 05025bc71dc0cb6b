"""Kubernetes' own roles, as etcd has them: which are gone, and which somebody has changed."""

from collections.abc import Iterator

import pytest
from tests.api.rig import Rig

from kubeception.kept import default_roles
from kubeception.kept.default_roles import Whole
from kubeception.kube.client import Api, Object

ROLE, BINDING = "ClusterRole", "ClusterRoleBinding"


@pytest.fixture
def whole(rig: Rig) -> Whole:
    return Whole("1.37.1", default_roles.look(rig.etcd))


@pytest.fixture
def restored(api: Api) -> Iterator[list[Object]]:
    """Whatever a test puts in here is made again."""
    gone: list[Object] = []
    yield gone
    for one in gone:
        made = {name: one["metadata"][name] for name in ("name", "labels", "annotations")}
        api.delete(one["kind"], one["metadata"]["name"])
        api.create({**one, "metadata": made})


def test_all_that_kubernetes_makes_is_looked_at(rig: Rig, api: Api, whole: Whole) -> None:
    label = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    for kind in (ROLE, BINDING, "Role", "RoleBinding"):
        made = {
            " ".join((kind, "/".join(filter(None, (m.get("namespace"), m["name"])))))
            for m in (one["metadata"] for one in api.list(kind, labels=label))
        }
        assert made
        assert made <= {default_roles.told(key) for key in whole.revisions}


def test_nothing_is_told_where_nothing_has_changed(rig: Rig, whole: Whole) -> None:
    assert default_roles.changed(whole, default_roles.look(rig.etcd)) is None


@pytest.mark.parametrize(
    ("kind", "name"), [(BINDING, "system:kube-scheduler"), (ROLE, "cluster-admin"), (ROLE, "view")]
)
def test_what_is_gone_is_named(
    kind: str, name: str, rig: Rig, api: Api, whole: Whole, restored: list[Object]
) -> None:
    found = api.get(kind, name)
    assert found is not None
    restored.append({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, **found})
    api.delete(kind, name)

    assert default_roles.changed(whole, default_roles.look(rig.etcd)) == f"{kind} {name} is gone"


def test_what_was_emptied_is_named_and_what_is_added_to_by_controllers_is_not(
    rig: Rig, api: Api, whole: Whole, restored: list[Object]
) -> None:
    for name in ("system:kube-scheduler", "edit"):
        found = api.get(ROLE, name)
        assert found is not None
        restored.append({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": ROLE, **found})
        api.set_fields(found, {"/rules": []})

    told = default_roles.changed(whole, default_roles.look(rig.etcd))
    assert told == f"{ROLE} system:kube-scheduler: changed by somebody"


def test_what_is_remembered_is_read_as_it_was_written(rig: Rig, whole: Whole) -> None:
    at = rig.root / "default-roles.json"
    default_roles.write(at, whole)
    assert default_roles.read(at) == whole
    at.write_text("{")
    assert default_roles.read(at) is None
