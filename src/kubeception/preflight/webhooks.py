"""Admission webhooks that would refuse what we apply, since nobody answers for them."""

from collections.abc import Iterator
from typing import Any

from kubeception.conditions import LEASES, current_problem, lease_held
from kubeception.errors import KubeceptionError
from kubeception.kube.kinds import KINDS
from kubeception.preflight.finding import Finding, warning
from kubeception.preflight.scene import Scene
from kubeception.reach import Reach
from kubeception.render.objects import NAMESPACE

Webhook = dict[str, Any]

CONFIGURATIONS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
_OURS = ("DaemonSet", "Deployment", "ConfigMap", "Service", "ServiceAccount", "Pod")
# Every namespace carries its name as a label, and nothing else is known of its labels.
_LABELS = {"kubernetes.io/metadata.name": NAMESPACE}


def without_backend(scene: Scene) -> Iterator[Finding]:
    """Want no webhook that must answer for kube-system and can't.

    The bootstrap API server runs without webhooks, so a run that goes by it is not stopped; nor is
    one that has to bring a leader back.
    """
    if not scene.live or not scene.is_root:
        return
    try:
        for kind in CONFIGURATIONS:
            for configuration in scene.reach.api.list(kind):
                for webhook in configuration.get("webhooks", []):
                    yield from _look(scene, kind, configuration["metadata"]["name"], webhook)
    except KubeceptionError as error:
        yield warning(
            "Webhook", f"the API was not to be asked: {error.message}", "kubeception status"
        )


def _look(scene: Scene, kind: str, configuration: str, webhook: Webhook) -> Iterator[Finding]:
    if webhook.get("failurePolicy", "Fail") != "Fail" or not concerns_us(webhook):
        return
    problem = _backend_problem(scene.reach, webhook)
    if problem:
        is_in_the_way = scene.is_carried and is_certain(webhook) and _is_led(scene.reach)
        found = Finding if is_in_the_way else warning
        yield found(
            f"Webhook-{configuration}",
            f"{kind} {configuration}: {webhook['name']} must answer for {NAMESPACE}: {problem}",
            f"mend it, kubectl delete {KINDS[kind].plural} {configuration}, or bootstrap --rebuild",
        )


def concerns_us(webhook: Webhook) -> bool:
    """Tell whether a webhook is asked about objects of ours in kube-system."""
    return selects(webhook.get("namespaceSelector", {}), _LABELS) and any(
        _covers(rule, kind) for rule in webhook.get("rules", []) for kind in _OURS
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


def _covers(rule: dict[str, Any], kind: str) -> bool:
    place = KINDS[kind]
    return (
        bool({"*", "CREATE", "UPDATE"} & set(rule.get("operations", [])))
        and bool({"*", place.group} & set(rule.get("apiGroups", [])))
        and bool({"*", "*/*", place.plural} & set(rule.get("resources", [])))
        and rule.get("scope", "*") != "Cluster"
    )


def _is_led(reach: Reach) -> bool:
    return not any(current_problem(lease_held(lease), reach) for lease in LEASES)


def _backend_problem(reach: Reach, webhook: Webhook) -> str | None:
    """Say why nobody can answer for a webhook; one behind a URL can't be judged from here."""
    service = webhook.get("clientConfig", {}).get("service")
    if service is None:
        return None
    name, namespace = service["name"], service["namespace"]
    found = reach.api.get("Service", name, namespace=namespace)
    if found is None:
        return f"there is no Service {namespace}/{name}"
    if found["spec"].get("type") == "ExternalName":
        return None
    slices = reach.api.list(
        "EndpointSlice", namespace=namespace, labels={"kubernetes.io/service-name": name}
    )
    ready = any(
        endpoint.get("conditions", {}).get("ready", True)
        for one in slices
        for endpoint in one.get("endpoints") or []
    )
    return None if ready else f"Service {namespace}/{name} has no pod that is ready"
