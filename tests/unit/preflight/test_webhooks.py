"""Which webhooks are asked about our objects in kube-system."""

from typing import Any

import pytest

from kubeception.conditions import webhooks

ALL = {
    "operations": ["*"],
    "apiGroups": ["*"],
    "apiVersions": ["*"],
    "resources": ["*/*"],
}
NAME = "kubernetes.io/metadata.name"


def rule(**changed: Any) -> dict[str, Any]:
    return {"rules": [{**ALL, **changed}]}


def selector(operator: str, key: str, *values: str) -> dict[str, Any]:
    expression = {"key": key, "operator": operator, **({"values": list(values)} if values else {})}
    return {**rule(), "namespaceSelector": {"matchExpressions": [expression]}}


@pytest.mark.parametrize(
    ("webhook", "concerns_us"),
    [
        (rule(), True),
        (rule(resources=["deployments"], apiGroups=["apps"]), True),
        (rule(resources=["pods"], apiGroups=[""], operations=["CREATE"]), True),
        (rule(resources=["pods"], apiGroups=["apps"]), False),
        (rule(resources=["pods/exec"], apiGroups=[""]), False),
        (rule(resources=["ingresses"], apiGroups=["networking.k8s.io"]), False),
        (rule(operations=["DELETE", "CONNECT"]), False),
        (rule(scope="Cluster"), False),
        (rule(scope="Namespaced"), True),
        ({"rules": []}, False),
        (selector("NotIn", NAME, "kube-system"), False),
        (selector("In", NAME, "kube-system", "demo"), True),
        (selector("In", NAME, "demo"), False),
        (selector("Exists", "guarded"), False),
        (selector("DoesNotExist", "unguarded"), True),
        ({**rule(), "namespaceSelector": {"matchLabels": {"guarded": "yes"}}}, False),
        ({**rule(), "namespaceSelector": {"matchLabels": {NAME: "kube-system"}}}, True),
    ],
)
def test_whom_a_webhook_concerns(webhook: dict[str, Any], concerns_us: bool) -> None:
    assert webhooks.concerns_us(webhook) is concerns_us


def test_what_may_keep_a_webhook_from_being_asked() -> None:
    assert webhooks.is_certain(rule())
    assert not webhooks.is_certain({**rule(), "objectSelector": {"matchLabels": {"a": "b"}}})
    assert not webhooks.is_certain({**rule(), "matchConditions": [{"name": "n"}]})
