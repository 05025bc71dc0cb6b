"""Other people's admission that keeps our pods from coming back is told while they still run."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.api.rig import Rig

from kubeception.conditions import admission
from kubeception.kube.client import Api
from kubeception.render.objects import NAMESPACE, Object
from kubeception.session import Session

ENFORCE = "pod-security.kubernetes.io/enforce"


QUOTA = {"apiVersion": "v1", "kind": "ResourceQuota"}
POLICIES = "admissionregistration.k8s.io/v1"


def limits(**said: Object) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "spec": {"limits": [{"type": "Container", **said}]},
    }


POLICY: list[Object] = [
    {
        "apiVersion": POLICIES,
        "kind": "ValidatingAdmissionPolicy",
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["pods"],
                    }
                ]
            },
            "validations": [{"expression": "!has(object.spec.hostNetwork)"}],
        },
    },
    {
        "apiVersion": POLICIES,
        "kind": "ValidatingAdmissionPolicyBinding",
        "spec": {"policyName": "of-others", "validationActions": ["Deny"]},
    },
]
# What others make, and what is told of it.
OTHERS: dict[str, tuple[list[Object], str]] = {
    "no room": ([{**QUOTA, "spec": {"hard": {"pods": "0"}}}], "of-others has no"),
    "requests missing": (
        [{**QUOTA, "spec": {"hard": {"requests.memory": "1Gi"}}}],
        "of-others has no",
    ),
    "a smallest size": ([limits(min={"memory": "1Gi"})], "limits the minimum memory usage"),
    "a limit for who has none": ([limits(default={"memory": "16Mi"})], "would set their"),
    "a policy": (POLICY, "ValidatingAdmissionPolicy of-others refuses"),
}


@pytest.fixture(scope="module")
def everything(rig: Rig) -> None:
    rig.apply_everything()


@pytest.fixture
def unlabelled(api: Api) -> Iterator[None]:
    yield
    api.merge("Namespace", NAMESPACE, {"metadata": {"labels": {ENFORCE: None}}})


def mend(rig: Rig, told: str) -> None:
    """Do what a line says, as an administrator would."""
    found = re.search(r"kubectl (.+)$", told)
    assert found is not None, told
    rig.kubectl(*shlex.split(found[1]))


@pytest.mark.usefixtures("everything")
def test_nothing_is_told_where_nothing_is_in_the_way(rig: Rig, session: Session) -> None:
    # Until each namespace has its default ServiceAccount there is one thing.
    rig.until("nothing to be in the way", lambda: not any(admission.refusals(session)))


@pytest.mark.usefixtures("everything", "unlabelled")
@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_a_namespace_that_enforces_a_standard_is_told_with_what_mends_it(
    level: str, rig: Rig, session: Session
) -> None:
    session.api.merge("Namespace", NAMESPACE, {"metadata": {"labels": {ENFORCE: level}}})
    rig.until("it to be enforced", lambda: any(admission.refusals(session)))

    told = list(admission.refusals(session))
    (line,) = told
    assert "kube-apiserver" in line
    assert f"{NAMESPACE} enforces {level}: pods that end can't come back" in line

    mend(rig, line)
    rig.until("nothing to be in the way", lambda: not any(admission.refusals(session)))


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize("which", OTHERS)
def test_what_refuses_our_pods_is_told_with_what_mends_it(
    which: str, rig: Rig, session: Session, tmp_path: Path
) -> None:
    made, says = OTHERS[which]
    for one in made:
        file = tmp_path / f"{one['kind']}.json"
        file.write_text(json.dumps({**one, "metadata": {"name": "of-others"}}))
        rig.kubectl("apply", "-n", NAMESPACE, "-f", str(file))
    try:
        rig.until("it to be told", lambda: says in "; ".join(admission.refusals(session)))
        told = list(admission.refusals(session))
        assert any("kube-apiserver" in line for line in told)

        for line in told:
            mend(rig, line)
        rig.until("nothing to be in the way", lambda: not any(admission.refusals(session)))
        assert session.api.get("Pod", "would-come-back", namespace=NAMESPACE) is None
    finally:
        for one in made:
            rig.kubectl("delete", "--ignore-not-found", "-n", NAMESPACE, one["kind"], "of-others")
