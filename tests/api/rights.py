"""What somebody may do in a real API, asked by access reviews in their own name."""

import contextlib
import http.client
import json
import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.api.rig import Rig

from kubeception.errors import ApiError
from kubeception.kube.client import Credential, TokenFile

# What access is asked for although the API serves nothing by that name.
_VIRTUAL = {("", "users"), ("certificates.k8s.io", "signers")}


_QUOTED = r"`([^`]+)`"
_NODE_AUTHORIZER = "node authorizer does not support user rule resolution"
# A verb and a resource, with its group and the names that it is limited to.
Held = tuple[str, str]


@dataclass(frozen=True)
class Right:
    """A verb and what it is for: `pods`, or `pods/status`; an empty namespace is all of them."""

    verb: str
    resource: str
    group: str = ""
    name: str = ""
    namespace: str = ""

    def __str__(self) -> str:
        parts = (self.verb, self.resource, self.group, self.name, self.namespace)
        return " ".join(filter(None, parts))


EVERYTHING = (Right("*", "*"), Right("*", "*", "*"))


def error_of(call: Callable[[], object]) -> ApiError | None:
    """Return the error with which the API answers a call, None where it does what is asked."""
    try:
        call()
    except ApiError as error:
        return error
    return None


def may(rig: Rig, who: Credential | TokenFile, right: Right) -> bool:
    """Ask, as somebody, whether they have a right.

    A resource that there is not is a mistake of the test's: nobody may do anything with it.
    """
    known = (right.group, right.resource) in _VIRTUAL or right.resource == "*"
    assert known or right.resource in _served(rig, right.group), right
    resource, _, part = right.resource.partition("/")
    asked = {
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": part,
        "name": right.name,
        "namespace": right.namespace,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    status = call(rig, "POST", path, review, who=who)["status"]
    return bool(status["allowed"])


def held(rig: Rig, namespace: str, *, who: Credential | TokenFile, **headers: str) -> set[Held]:
    """Return the rights of somebody in a namespace by the API's own word."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    status = call(rig, "POST", path, review, who=who, **headers)["status"]
    # The one that knows of nodes tells no rules.
    why = status.get("evaluationError", "").replace(_NODE_AUTHORIZER, "")
    assert not why, why
    return set(_rights(status["resourceRules"]))


def told(text: str) -> set[Held]:
    """Return the rights that a document tells: get, list `nodes`; get `configmaps` named `a`."""
    words = re.findall(
        r"([a-z]+(?:, [a-z]+)*) ((?:`[\w./-]+`(?:, )?)+)(?: ?named ((?:`[\w./-]+`(?:, )?)+))?", text
    )
    return {
        (verb, resource + (f" {','.join(re.findall(_QUOTED, names))}" if names else ""))
        for verbs, resources, names in words
        for verb in verbs.split(", ")
        for resource in re.findall(_QUOTED, resources)
    }


def _rights(rules: list[dict[str, Any]]) -> Iterator[Held]:
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    names = ",".join(rule.get("resourceNames") or [])
                    yield verb, f"{resource}.{group}".strip(".") + (f" {names}" if names else "")


def call(
    rig: Rig,
    method: str,
    path: str,
    document: Any = None,
    *,
    who: Credential | TokenFile,
    **headers: str,
) -> Any:
    """Call the API as somebody and return its answer, which has to be a good one."""
    tls = ssl.create_default_context(cafile=str(rig.session().layout.pki.ca.certificate))
    headers = {"content-type": "application/json", **headers}
    if isinstance(who, Credential):
        tls.load_cert_chain(who.certificate, who.key)
    else:
        headers["authorization"] = f"Bearer {who.token.read_text().strip()}"
    body = None if document is None else json.dumps(document).encode()
    made = http.client.HTTPSConnection("127.0.0.1", rig.ports.api, timeout=10, context=tls)
    with contextlib.closing(made):
        made.request(method, path, body, headers)
        answer = made.getresponse()
        text = answer.read()
        assert answer.status in {200, 201}, text
        return json.loads(text)


def _served(rig: Rig, group: str) -> frozenset[str]:
    """Return what an API group serves."""
    pair = rig.session().layout.pki.admin
    path = f"/apis/{group}/v1" if group else "/api/v1"
    found = call(rig, "GET", path, who=Credential(pair.certificate, pair.key))
    return frozenset(one["name"] for one in found["resources"])
