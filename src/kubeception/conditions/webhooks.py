"""Admission webhooks that the API must ask and nobody answers for."""

import functools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kubeception.kube.kinds import KINDS
from kubeception.render.objects import NAMESPACE, Object
from kubeception.session import Session

Webhook = dict[str, Any]

# Says on a configuration what it was, for whoever puts it back.
OPENED_NOTE = "kubeception.dev/opened"

CONFIGURATIONS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
_OURS = ("DaemonSet", "Deployment", "ConfigMap", "Service", "ServiceAccount", "Pod")
# Every namespace carries its name as a label, and nothing else is known of its labels.
_NAME_LABEL = "kubernetes.io/metadata.name"
# Where kubelets say that they are alive.
_LEASES = "kube-node-lease"
_NODES = "Nodes and their Leases"


@dataclass(frozen=True)
class Unanswered:
    """A webhook that refuses what it is asked about: where it stands, why nobody answers."""

    kind: str
    configuration: str
    webhook: Webhook
    problem: str


def unanswered(session: Session) -> Iterator[Unanswered]:
    """Yield every webhook that must answer, and can't."""
    for kind, configuration, webhook in _all(session, *CONFIGURATIONS):
        if webhook.get("failurePolicy", "Fail") == "Fail" and (
            problem := backend_problem(session, webhook)
        ):
            yield Unanswered(kind, configuration, webhook, problem)


def opened(session: Session) -> Iterator[str]:
    """Yield the configurations with a webhook that is ignored since we saw nobody answer for it."""
    for kind in CONFIGURATIONS:
        for found in session.api.list(kind):
            is_noted = OPENED_NOTE in found["metadata"].get("annotations", {})
            policies = [one.get("failurePolicy") for one in found.get("webhooks", [])]
            if is_noted and "Ignore" in policies:
                yield f"{kind} {found['metadata']['name']}"


def notices(session: Session) -> Iterator[str]:
    """Yield each webhook by which the cluster or its users can't go on, and what mends it."""
    namespaces = functools.cache(lambda: session.api.list("Namespace"))
    for one in unanswered(session):
        if not is_certain(one.webhook):
            continue
        ours = concern(one.webhook)
        if what := ours or _of_users(one.webhook, namespaces()):
            yield (
                f"{one.kind} {one.configuration}: {one.webhook['name']} must answer for {what}: "
                f"{one.problem}; {mending(one) if ours else _ignoring(one)}"
            )


def mending(one: Unanswered) -> str:
    """Return the command that goes on without its answer, and keeps what it is for where it can."""
    if _concerns_nodes(one.webhook):  # which are in no namespace that could be left out
        return f"kubectl delete {KINDS[one.kind].plural} {one.configuration}"
    return leaving_out(one.kind, one.configuration, one.webhook)


def _ignoring(one: Unanswered) -> str:
    """Return the command that goes on where nobody answers for a webhook."""
    patch = json.dumps({"webhooks": [{"name": one.webhook["name"], "failurePolicy": "Ignore"}]})
    return f"kubectl patch {KINDS[one.kind].plural} {one.configuration} -p '{patch}'"


def leaving_out(kind: str, configuration: str, webhook: Webhook) -> str:
    """Return the command that has a webhook asked about no object of Kubernetes' own namespaces."""
    name, selector = webhook["name"], webhook.get("namespaceSelector") or {}
    ours = {"key": _NAME_LABEL, "operator": "NotIn", "values": [NAMESPACE, _LEASES]}
    wanted = {**selector, "matchExpressions": [*selector.get("matchExpressions", []), ours]}
    # A strategic merge finds it by its name, wherever it stands.
    patch = json.dumps({"webhooks": [{"name": name, "namespaceSelector": wanted}]})
    return f"kubectl patch {KINDS[kind].plural} {configuration} -p '{patch}'"


def named(session: Session, name: str) -> Iterator[tuple[str, str, Webhook]]:
    """Return the webhooks of a name, each with its configuration's kind and name."""
    return (one for one in _all(session, *CONFIGURATIONS) if one[2]["name"] == name)


def mutating(session: Session, kind: str) -> Iterator[tuple[str, str, Webhook]]:
    """Return the webhooks that may change objects of a kind in kube-system, in the same way."""
    return (one for one in _all(session, CONFIGURATIONS[0]) if concerns(one[2], kind))


def _all(session: Session, *kinds: str) -> Iterator[tuple[str, str, Webhook]]:
    for kind in kinds:
        for found in session.api.list(kind):
            for webhook in found.get("webhooks", []):
                yield kind, found["metadata"]["name"], webhook


def concern(webhook: Webhook) -> str | None:
    """Say what of the cluster's own a webhook is asked about, None for nothing."""
    if concerns_us(webhook):
        return NAMESPACE
    is_asked = _concerns_nodes(webhook) or concerns(webhook, "Lease", namespace=_LEASES)
    return _NODES if is_asked else None


def concerns(webhook: Webhook, *kinds: str, namespace: str = NAMESPACE) -> bool:
    """Tell whether a webhook is asked about objects of these kinds in a namespace."""
    return selects(webhook.get("namespaceSelector", {}), {_NAME_LABEL: namespace}) and any(
        _covers(rule, kind, other_scope="Cluster")
        for rule in webhook.get("rules", [])
        for kind in kinds
    )


def concerns_us(webhook: Webhook) -> bool:
    """Tell whether a webhook is asked about objects of ours in kube-system."""
    return concerns(webhook, *_OURS)


def _of_users(webhook: Webhook, namespaces: Iterable[Object]) -> str:
    """Say what a webhook is asked about in namespaces that are there, "" for nothing."""
    rules = webhook.get("rules", [])
    kinds = sorted({kind for rule in rules for kind in rule.get("resources", [])})
    selector = webhook.get("namespaceSelector", {})
    labels = (one["metadata"].get("labels", {}) for one in namespaces)
    return ", ".join(kinds) if any(selects(selector, those) for those in labels) else ""


def _concerns_nodes(webhook: Webhook) -> bool:
    return any(
        _covers(rule, "Node", "/status", other_scope="Namespaced")
        for rule in webhook.get("rules", [])
    )


def is_certain(webhook: Webhook) -> bool:
    """Tell whether nothing else can keep it from being asked."""
    return not webhook.get("objectSelector") and not webhook.get("matchConditions")


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Tell whether a label selector takes these labels."""
    wanted = selector.get("matchLabels", {})
    return all(labels.get(name) == value for name, value in wanted.items()) and all(
        _meets(one, labels) for one in selector.get("matchExpressions", [])
    )


def _meets(expression: dict[str, Any], labels: dict[str, str]) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case _:
            return value is None


def _covers(rule: dict[str, Any], kind: str, part: str = "", *, other_scope: str) -> bool:
    place = KINDS[kind]
    named = {"*", "*/*", place.plural, f"{place.plural}{part}", f"*{part}"}
    return (
        bool({"*", "CREATE", "UPDATE"} & set(rule.get("operations", [])))
        and bool({"*", place.group} & set(rule.get("apiGroups", [])))
        and bool(named & set(rule.get("resources", [])))
        and rule.get("scope", "*") != other_scope
    )


def backend_problem(session: Session, webhook: Webhook) -> str | None:
    """Say why nobody can answer for a webhook; one behind a URL can't be judged from here."""
    service = webhook.get("clientConfig", {}).get("service")
    if service is None:
        return None
    name, namespace = service["name"], service["namespace"]
    found = session.api.get("Service", name, namespace=namespace)
    if found is None:
        return f"there is no Service {namespace}/{name}"
    if found["spec"].get("type") == "ExternalName":
        return None
    slices = session.api.list(
        "EndpointSlice", namespace=namespace, labels={"kubernetes.io/service-name": name}
    )
    ready = any(
        endpoint.get("conditions", {}).get("ready", True)
        for one in slices
        for endpoint in one.get("endpoints") or []
    )
    return None if ready else f"Service {namespace}/{name} has no pod that is ready"
