"""Every right of the accounts whose tokens a worker gets, as docs/security.md tells them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.api.rig import Rig
from tests.api.rights import Held, held, told
from tests.fixed import CLUSTER, CONFIG, FACTS, SETTINGS

from kubeception.host.process import Completed, run
from kubeception.kube.client import TokenFile
from kubeception.phases import control_plane
from kubeception.render import limits
from kubeception.render.objects import NAMESPACE

ROOT = Path(__file__).parents[2]
ACCOUNTS = limits.accounts_on_workers(SETTINGS)
# What no account on workers writes.
UNTOUCHED = (
    *("secrets", "serviceaccounts/token", "pods/exec", "pods/binding", "nodes/proxy", "nodes"),
    *("certificatesigningrequests", "certificatesigningrequests/approval", "configmaps", "leases"),
)


@pytest.fixture(scope="module", autouse=True)
def applied(rig: Rig) -> Iterator[None]:
    """Everything, as bootstrap applies it, and a Node of somebody else's."""
    with rig.session(force_conflicts=True) as session:
        for wanted in control_plane.plan(CONFIG, FACTS):
            if wanted.drift(session):
                wanted.apply(session)
        session.api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "others"}})
        yield
        session.api.delete("Node", "others")


def of_account(rig: Rig, folder: Path, account: str) -> set[Held]:
    """Return the rights of an account by the API's own word: each a verb and a resource."""
    file = folder / account
    file.write_text(rig.kubectl("-n", NAMESPACE, "create", "token", account).stdout)
    return held(rig, NAMESPACE, who=TokenFile(file))


def in_the_document() -> dict[str, set[Held]]:
    """Return the table of docs/security.md."""
    text = (ROOT / "docs/security.md").read_text()
    _, _, rows = text.partition("| Account | May | What a thief has of it |\n")
    found = re.findall(r"^\| `([\w-]+)` \| ([^|]+) \|", rows.partition("\n\n")[0], re.M)
    return {name: told(rights) for name, rights in found}


def test_the_accounts_are_those_whose_pods_run_on_workers() -> None:
    """By the pods that are rendered: whichever may run on any node."""
    accounts = set()
    for wanted in control_plane.everything(FACTS):
        template = wanted.get("spec", {}).get("template", {}).get("spec", {})
        is_bound = "nodeAffinity" in template.get("affinity", {})
        if template.get("serviceAccountName") and not is_bound:
            accounts.add(template["serviceAccountName"])
    assert accounts == set(ACCOUNTS)
    assert CLUSTER.control_planes


@pytest.mark.parametrize("account", ACCOUNTS)
def test_an_account_on_workers_has_the_rights_that_are_told_and_no_other(
    rig: Rig, tmp_path: Path, account: str
) -> None:
    everybodys = of_account(rig, tmp_path, "default")
    # A right that was given just now counts a moment later.
    rig.until(
        "its rights to count",
        lambda: in_the_document()[account] <= of_account(rig, tmp_path, account),
    )

    assert of_account(rig, tmp_path, account) - everybodys == in_the_document()[account]
    assert set(in_the_document()) == set(ACCOUNTS)


@pytest.mark.parametrize("account", ACCOUNTS)
def test_none_of_them_writes_what_could_lead_further(
    rig: Rig, tmp_path: Path, account: str
) -> None:
    """What flannel writes, test_policies.py tries."""
    rights = of_account(rig, tmp_path, account)
    writes = {(verb, what) for verb, what in rights if verb not in {"get", "list", "watch"}}
    everybodys = of_account(rig, tmp_path, "default")

    found = {what.partition(".")[0] for _, what in writes - everybodys}
    assert not found & set(UNTOUCHED), found
    for words in (
        ("get", "secrets", "-A"),
        ("create", "token", "kubeception-controller", "-n", NAMESPACE),
        ("label", "node", "others", "a=b", "--dry-run=server"),
        ("delete", "pods", "--all", "-n", NAMESPACE, "--dry-run=server"),
        ("certificate", "approve", "x"),
        ("create", "clusterrolebinding", "x", "--clusterrole=cluster-admin", "--user=x"),
    ):
        done = as_account(rig, tmp_path / account, *words)
        assert done.code != 0, (words, done.stdout)
        assert "orbidden" in done.stderr, (words, done.stderr)


def as_account(rig: Rig, token: Path, *words: str) -> Completed:
    """Do something with nothing but a token."""
    server = f"--server=https://127.0.0.1:{rig.ports.api}"
    ca = f"--certificate-authority={rig.session().layout.pki.ca.certificate}"
    shown = f"--token={token.read_text().strip()}"
    argv: list[str | Path] = [
        rig.bin / "kubectl",
        "--kubeconfig=/dev/null",
        server,
        ca,
        shown,
        *words,
    ]
    return run(argv, check=False, timeout=30)
