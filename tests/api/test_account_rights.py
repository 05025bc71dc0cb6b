"""Every right of every account of ours, as docs/security.md tells them."""

import re
from pathlib import Path

import pytest
from tests.api.rig import Rig
from tests.api.rights import Held, held, told
from tests.fixed import CONFIG, FACTS, HOST, SETTINGS

from kubeception.kube.client import Credential
from kubeception.phases import control_plane
from kubeception.pki import catalog
from kubeception.pki.catalog import Use
from kubeception.render import limits
from kubeception.render.objects import NAMESPACE

ROOT = Path(__file__).parents[2]
EVERYWHERE = "everywhere"
# One of which no row tells: what somebody has there, they have everywhere.
ELSEWHERE = "kube-public"
# By what somebody is known who is of a group.
MEMBER = "somebody"
ROW = re.compile(r"^\| `([\w:-]+)`(, a group)?[^|]* \| `?([\w-]+)`? \| ([^|]+) \|", re.MULTILINE)


def rows() -> list[tuple[str, str, str]]:
    """Return the table: account, where, and what it may."""
    text = (ROOT / "docs/security.md").read_text()
    _, _, table = text.partition("| Account | Where | May | What a thief has of it |\n")
    found = ROW.findall(table.partition("\n\n")[0])
    return [(account, where, may) for account, _, where, may in found]


def role_of(may: str) -> str:
    """Return the role of Kubernetes' own that a row names, if any."""
    named = re.match(r"Kubernetes' `([\w:-]+)`", may)
    return named[1] if named else ""


OURS = sorted({account for account, _, may in rows() if not role_of(may)})
PLACES = sorted({where for _, where, _ in rows()} - {EVERYWHERE} | {ELSEWHERE})
SUBJECTS = [
    (binding, subject)
    for binding in control_plane.everything(FACTS)
    if binding["kind"] in {"RoleBinding", "ClusterRoleBinding"}
    for subject in binding["subjects"]
]
OF_SUBJECT = {subject["name"]: subject["kind"] for _, subject in SUBJECTS}


@pytest.fixture(scope="module", autouse=True)
def applied(rig: Rig) -> None:
    """Everything, as bootstrap applies it."""
    rig.apply_everything()


def of_account(rig: Rig, account: str, namespace: str) -> set[Held]:
    """Return what an account may by the API's word, beside what everybody may."""
    pair = rig.session().layout.pki.admin
    admin = Credential(pair.certificate, pair.key)

    def rights(user: str, **group: str) -> set[Held]:
        return held(rig, namespace, who=admin, **{"impersonate-user": user}, **group)

    if OF_SUBJECT[account] == "Group":
        return rights(MEMBER, **{"impersonate-group": account}) - rights(MEMBER)
    of_kind = f"system:serviceaccount:{NAMESPACE}:"
    return rights(of_kind + account) - rights(f"{of_kind}default")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("account", OURS)
def test_an_account_has_the_rights_that_are_told_and_no_other(
    rig: Rig, account: str, place: str
) -> None:
    of_rows = [
        told(may) for name, where, may in rows() if name == account and where in {EVERYWHERE, place}
    ]
    wanted = set[Held]().union(*of_rows)
    # A right that was given just now counts a moment later.
    rig.until("its rights to count", lambda: wanted <= of_account(rig, account, place))

    assert of_account(rig, account, place) == wanted


def test_every_account_that_something_is_bound_to_is_told() -> None:
    on_workers = {*limits.accounts_on_workers(SETTINGS)}
    assert OF_SUBJECT.keys() - on_workers <= {account for account, _, _ in rows()}
    own = {
        (one["kind"], one["metadata"]["name"])
        for one in control_plane.everything(FACTS)
        if one["kind"] in {"Role", "ClusterRole"}
    }
    of_kubernetes = {
        subject["name"]: binding["roleRef"]["name"]
        for binding, subject in SUBJECTS
        if (binding["roleRef"]["kind"], binding["roleRef"]["name"]) not in own
    }
    named = {account: role_of(may) for account, _, may in rows() if role_of(may)}
    assert {k: v for k, v in of_kubernetes.items() if k not in on_workers} == {
        k: v for k, v in named.items() if k in OF_SUBJECT
    }


def test_every_certificate_by_which_the_api_knows_somebody_is_told() -> None:
    """By its group where it has one of ours, which is what is bound; others are for etcd."""
    ca = CONFIG.layout.pki.ca
    found = set()
    for entry in catalog.entries(CONFIG, HOST.node, HOST.address):
        if entry.issuer == ca and Use.CLIENT in entry.spec.uses:
            found.add(entry.spec.organization or entry.spec.common_name)

    assert found == {account for account, _, _ in rows()} - {
        "kubeception",
        "kubeception-controller",
        "system:serviceaccounts",
    }


@pytest.mark.parametrize("name", ["system:kube-controller-manager", "system:kube-scheduler"])
def test_kubernetes_binds_its_own_roles(rig: Rig, name: str) -> None:
    found = rig.kubectl("get", "clusterrolebinding", name, "-o", "jsonpath={.roleRef.name}").stdout

    assert (name, found) in {(account, role_of(may)) for account, _, may in rows()}
