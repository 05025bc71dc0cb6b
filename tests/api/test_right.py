"""What somebody makes of roles and bindings of ours: who gives more is heard, who takes is not."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.api.rig import Rig
from tests.fixed import CONFIG, FACTS

from kubeception.engine import dry_run
from kubeception.errors import ApiError
from kubeception.kube.kinds import RBAC
from kubeception.phases import control_plane
from kubeception.phases.control_plane import CONTROL_PLANE
from kubeception.render.keeper import LEASE
from kubeception.resources.right import Right
from kubeception.session import Session

RIGHTS = {str(one): one for one in control_plane.plan(CONFIG, FACTS) if isinstance(one, Right)}
ADMINS = "ClusterRoleBinding kubeadm:cluster-admins"
KEEPER = "ClusterRole kubeception:keeper"


@pytest.fixture(autouse=True)
def applied(rig: Rig) -> Iterator[None]:
    """Everything that we manage as we want it, before a test and after it."""
    rig.apply_everything()
    yield
    rig.apply_everything()


def edit(rig: Rig, name: str, **fields: Any) -> None:
    """Change fields as a person does; kubectl is the field manager then."""
    words = ("--type=merge", "-p", json.dumps(fields), "--field-manager=kubectl-edit")
    rig.kubectl("patch", *name.split(), *words)


def found(session: Session, name: str) -> dict[str, Any]:
    it = session.api.get(*name.split())
    assert it is not None
    return it


def group(name: str) -> dict[str, str]:
    return {"apiGroup": RBAC, "kind": "Group", "name": name}


def test_every_role_and_binding_is_one() -> None:
    kinds = {name.partition(" ")[0] for name in RIGHTS}
    assert kinds == {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}


@pytest.mark.parametrize(
    ("name", "fields", "loss"),
    [
        (ADMINS, {"subjects": [group("people")]}, "is not for Group kubeadm:cluster-admins"),
        (ADMINS, {"subjects": []}, "is not for Group kubeadm:cluster-admins"),
        (ADMINS, {"subjects": None}, "is not for Group kubeadm:cluster-admins"),
        (KEEPER, {"rules": []}, "lets nobody get nodes"),
        (
            KEEPER,
            {"rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]},
            "lets nobody list nodes",
        ),
    ],
)
def test_what_is_taken_away_is_put_back(
    rig: Rig, session: Session, name: str, fields: dict[str, Any], loss: str
) -> None:
    wanted = RIGHTS[name]
    before = found(session, name)
    edit(rig, name, **fields)

    assert wanted.drift(session) == loss
    assert wanted.diff(session)
    wanted.apply(session)

    assert wanted.drift(session) is None
    after = found(session, name)
    assert [after.get(key) for key in fields] == [before.get(key) for key in fields]


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        (ADMINS, {"subjects": [group("people"), group("kubeadm:cluster-admins")]}),
        (KEEPER, {"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}),
    ],
)
def test_what_is_given_besides_is_kept(
    rig: Rig, session: Session, name: str, fields: dict[str, Any]
) -> None:
    edit(rig, name, **fields)
    before = found(session, name)

    assert RIGHTS[name].drift(session) is None
    assert found(session, name) == before


def test_a_binding_that_leads_elsewhere_is_made_anew(session: Session) -> None:
    """The API lets nobody change to which role it leads."""
    before = found(session, ADMINS)
    session.api.delete(*ADMINS.split())
    about = {"apiVersion": f"{RBAC}/v1", "kind": ADMINS.split()[0]}
    named = {"metadata": {"name": before["metadata"]["name"]}, "subjects": before["subjects"]}
    session.api.create({**about, **named, "roleRef": {**before["roleRef"], "name": "view"}})
    wanted = RIGHTS[ADMINS]

    preview = dry_run([CONTROL_PLANE], session, gather=lambda: FACTS)
    assert [change.drift for change in preview.changes] == ["leads to ClusterRole view"]
    assert preview.not_planned == []
    wanted.apply(session)

    assert wanted.drift(session) is None
    assert found(session, ADMINS)["roleRef"]["name"] == "cluster-admin"


def test_of_a_rule_for_some_names_each_counts(rig: Rig, session: Session) -> None:
    name = "Role kubeception:keeper"
    wanted = RIGHTS["Role kube-system/kubeception:keeper"]
    there = session.api.get("Role", "kubeception:keeper", namespace="kube-system")
    assert there is not None
    rules = [
        {**rule, "resourceNames": ["another"]} if LEASE in rule.get("resourceNames", ()) else rule
        for rule in there["rules"]
    ]
    words = ("--type=merge", "-p", json.dumps({"rules": rules}), "--field-manager=kubectl-edit")
    rig.kubectl("-n", "kube-system", "patch", *name.split(), *words)

    assert wanted.drift(session) == "lets nobody get leases"
    wanted.apply(session)
    assert wanted.drift(session) is None


def test_a_keeper_without_its_rights_is_told_so_by_the_api(rig: Rig, session: Session) -> None:
    rig.kubectl("delete", "clusterrolebinding", "kubeception:keeper")
    with rig.session() as watching:
        watching.client = session.layout.pki.keeper

        def is_refused() -> bool:
            try:
                watching.api.get("Node", "cp1")
            except ApiError as error:
                return error.status == 403
            return False

        rig.until("the API to refuse it", is_refused)
        RIGHTS["ClusterRoleBinding kubeception:keeper"].apply(session)
        rig.until("the API to allow it", lambda: not is_refused())
