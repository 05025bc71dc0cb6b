"""Other people's admission that keeps our pods from coming back is told while they still run."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.api.rig import Rig
from tests.api.rights import error_of
from tests.api.webhook_server import DENIED, answering, changing

from kubeception.conditions import admission, webhooks
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

    rig.carry_out(line)
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
            rig.carry_out(line)
        rig.until("nothing to be in the way", lambda: not any(admission.refusals(session)))
        assert session.api.get("Pod", "would-come-back", namespace=NAMESPACE) is None
    finally:
        for one in made:
            rig.kubectl("delete", "--ignore-not-found", "-n", NAMESPACE, one["kind"], "of-others")


MUTATING, VALIDATING = webhooks.CONFIGURATIONS
PODS = {"apiGroups": [""], "resources": ["pods"]}
NOBODY = {"service": {"name": "guard", "namespace": "demo"}}
# Of a port on which nobody listens, in a range of which no connection gets one.
GONE = {"url": "https://127.0.0.1:9/"}
ELSEWHERE = "kube-node-lease"


@contextlib.contextmanager
def configured(
    rig: Rig, kind: str, client: dict[str, Any], rule: dict[str, Any], *, spares: str = ""
) -> Iterator[None]:
    """Have a webhook beside another one be asked, for the length of the block."""
    selector = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": [spares]}
    asked_about = {"operations": ["CREATE", "UPDATE"], "apiVersions": ["*"], **rule}
    webhook: dict[str, Any] = {
        "name": "guard.example.org",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "timeoutSeconds": 2,
        "clientConfig": client,
        "namespaceSelector": {"matchExpressions": [selector] if spares else []},
        "rules": [asked_about],
    }
    other = {**webhook, "name": "other.example.org", "failurePolicy": "Ignore"}
    other["rules"] = [{**asked_about, "resources": ["nothing"]}]
    made = {
        "apiVersion": POLICIES,
        "kind": kind,
        "metadata": {"name": "guard"},
        "webhooks": [other, webhook],
    }
    rig.kubectl("apply", "-f", "-", stdin=json.dumps(made))
    try:
        yield
    finally:
        rig.kubectl("delete", "--ignore-not-found", kind, "guard")


def spared(rig: Rig, kind: str) -> dict[str, list[str]]:
    """Return which namespaces each webhook isn't asked about."""
    made = json.loads(rig.kubectl("get", kind, "guard", "-o", "json").stdout)
    return {
        one["name"]: [
            name
            for said in one["namespaceSelector"].get("matchExpressions", [])
            for name in said["values"]
        ]
        for one in made["webhooks"]
    }


WEBHOOKS: dict[str, tuple[str, dict[str, Any] | None, str]] = {
    "refuses": (VALIDATING, DENIED, "the webhook guard.example.org refuses them"),
    "answers no more": (VALIDATING, None, "must answer for them, and doesn't"),
    "takes another image": (
        MUTATING,
        changing({"op": "replace", "path": "/spec/containers/0/image", "value": "mirror/it:1"}),
        "guard.example.org would set the image of",
    ),
    "adds a container": (
        MUTATING,
        changing(
            {"op": "add", "path": "/spec/containers/-", "value": {"name": "mesh", "image": "mesh"}}
        ),
        "guard.example.org would add a container mesh to them",
    ),
    "pulls always": (
        MUTATING,
        changing(
            {"op": "add", "path": "/spec/containers/0/imagePullPolicy", "value": "Always"},
        ),
        "would set the imagePullPolicy of",
    ),
}


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize("which", WEBHOOKS)
def test_what_a_webhook_does_to_our_pods_is_told_with_what_mends_it(
    which: str, rig: Rig, session: Session, tmp_path: Path
) -> None:
    kind, answer, says = WEBHOOKS[which]
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(answering(answer, tmp_path)).client() if answer else GONE
        stack.enter_context(configured(rig, kind, client, PODS, spares="demo"))
        rig.until("it to be told", lambda: says in "; ".join(admission.refusals(session)))

        told = list(admission.refusals(session))
        assert any("kube-apiserver" in line for line in told)
        rig.carry_out(told[0])

        rig.until("nothing to be in the way", lambda: not any(admission.refusals(session)))
        # It goes on with whom it was for.
        assert spared(rig, kind) == {
            "other.example.org": ["demo"],
            "guard.example.org": ["demo", NAMESPACE, ELSEWHERE],
        }


# What a webhook that nobody answers for is asked about, and what can't go on then.
OF_NODES: dict[str, tuple[dict[str, Any], str]] = {
    "Leases of nodes": ({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}, "Lease"),
    "Nodes": ({"apiGroups": [""], "resources": ["nodes"]}, "Node"),
    "everything": ({"apiGroups": ["*"], "resources": ["*/*"]}, "Node"),
}


def _problem(session: Session, wanted: Object) -> str:
    """Say why an object is refused, "" where it isn't."""
    why = error_of(partial(session.api.try_out, wanted))
    return why.message if why else ""


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize("which", OF_NODES)
def test_a_webhook_that_lets_no_node_be_ready_is_told_with_what_mends_it(
    which: str, rig: Rig, session: Session
) -> None:
    """One that spares kube-system, as people write them, stops kubelets all the same."""
    rule, kind = OF_NODES[which]
    wanted: Object = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "guarded"}}
    if kind == "Lease":
        metadata = {"name": "guarded", "namespace": ELSEWHERE}
        wanted = {"apiVersion": "coordination.k8s.io/v1", "kind": kind, "metadata": metadata}

    problem = partial(_problem, session, wanted)
    assert problem() == ""
    with configured(rig, VALIDATING, NOBODY, rule, spares=NAMESPACE):
        rig.until("it to be asked", lambda: "guard.example.org" in problem())

        [line] = webhooks.notices(session)
        assert "must answer for Nodes and their Leases: there is no Service demo/guard" in line
        rig.carry_out(line)

        rig.until("nodes to go on", lambda: problem() == "")
        assert not [line for line in webhooks.notices(session) if "Nodes" in line]


@pytest.mark.usefixtures("everything")
def test_a_webhook_that_lets_users_make_nothing_is_told_with_what_mends_it(
    rig: Rig, session: Session
) -> None:
    """As an operator leaves it that was deleted with its namespace, and had spared Kubernetes'."""

    metadata = {"name": "of-a-user", "namespace": "default"}
    wanted: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    problem = partial(_problem, session, wanted)
    assert problem() == ""
    rule = {"apiGroups": [""], "resources": ["configmaps"]}
    with configured(rig, VALIDATING, NOBODY, rule, spares=NAMESPACE):
        rig.until("it to be asked", lambda: "guard.example.org" in problem())

        [line] = webhooks.notices(session)
        assert "must answer for configmaps: there is no Service demo/guard; " in line
        rig.carry_out(line)

        rig.until("users to go on", lambda: problem() == "")
        assert list(webhooks.notices(session)) == []


def test_a_webhook_that_is_asked_in_no_namespace_is_in_nobodys_way(
    rig: Rig, session: Session
) -> None:
    rule = {"apiGroups": [""], "resources": ["configmaps"]}
    with configured(rig, VALIDATING, NOBODY, rule, spares=NAMESPACE):
        assert [*webhooks.notices(session)]
        some = {"matchLabels": {"guarded": "yes"}, "matchExpressions": []}
        patch = {"webhooks": [{"name": "guard.example.org", "namespaceSelector": some}]}
        rig.kubectl("patch", VALIDATING, "guard", "-p", json.dumps(patch))

        assert list(webhooks.notices(session)) == []


@pytest.mark.usefixtures("everything")
def test_a_webhook_that_is_slow_holds_a_trial_up_once(rig: Rig, session: Session) -> None:
    """It would be waited for with each of our workloads, and nobody would see a status."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        client = {"url": f"https://127.0.0.1:{deaf.getsockname()[1]}/"}
        with configured(rig, VALIDATING, client, PODS):
            rig.until("it to be asked", lambda: any(admission.refusals(session)))
            started = time.monotonic()
            told = list(admission.refusals(session))
            took_s = time.monotonic() - started

            assert any("guard.example.org must answer for them, and doesn't" in x for x in told)
            assert took_s < 8  # of eight workloads, two seconds each
