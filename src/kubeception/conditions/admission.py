"""What other people's admission would make of our pods, were they to be made anew.

Admission is asked itself, by dry runs: it alone knows all that it goes by.
"""

import re
from collections.abc import Iterator

from kubeception.conditions import webhooks
from kubeception.errors import ApiError
from kubeception.render.objects import MANAGED_BY, NAMESPACE, Object
from kubeception.session import Session

_WORKLOADS = ("DaemonSet", "Deployment")
_TRIAL = "would-come-back"
# What LimitRanger has set of a pod, by its own word.
_LIMITED_NOTE = "kubernetes.io/limit-ranger"
_LIMITS = f"kubectl -n {NAMESPACE} delete limitranges --all"
# What a refusal says, and what that means, with the command that mends it.
_CAUSES = (
    (
        r'violates PodSecurity "([^":]+)',
        NAMESPACE + r" enforces \1",
        f"kubectl label --overwrite namespace {NAMESPACE} "
        "pod-security.kubernetes.io/enforce=privileged",
    ),
    (
        r"(?:exceeded|failed) quota: ([^:,\s]+)",
        r"ResourceQuota " + NAMESPACE + r"/\1 has no room",
        rf"kubectl -n {NAMESPACE} delete resourcequota \1",
    ),
    (
        r"((?:minimum|maximum) \S+ usage per \w+) is",
        r"a LimitRange of " + NAMESPACE + r" limits the \1",
        _LIMITS,
    ),
    (
        r"must be less than or equal to (\S+ limit of \S+)",
        r"a LimitRange of " + NAMESPACE + r" gives them a \1, less than they ask for",
        _LIMITS,
    ),
    (
        r"ValidatingAdmissionPolicy '([^']+)' with binding '([^']+)'",
        r"ValidatingAdmissionPolicy \1 refuses them",
        r"kubectl delete validatingadmissionpolicybinding \2",
    ),
)
_SILENT = "must answer for them, and doesn't"
# What a webhook says, or the API server of one that says nothing, and what that means.
_BY_A_WEBHOOK = (
    (r'admission webhook "([^"]+)" denied', "refuses them"),
    (r'failed calling webhook "([^"]+)"', _SILENT),
)
_LATER = "pods that end can't come back by themselves"
# A webhook that can't be asked without effects can't be judged.
_NOT_TO_BE_TRIED = "does not support dry run"
# What of a container others' admission may set to what a host doesn't have.
_BROUGHT = ("image", "imagePullPolicy")


def refusals(session: Session) -> Iterator[str]:
    """Yield why pods of ours that end could not come back, each cause once, with what mends it."""
    seen: dict[str, list[str]] = {}
    untold = None
    for name, template in _templates(session):
        try:
            cause = _cause(session, template)
        except ApiError as error:
            untold = error.message
            break
        if cause:
            seen.setdefault(cause, []).append(name)
            if _SILENT in cause:  # it would be waited for as long with each of them
                break
    for cause, names in seen.items():
        yield f"{', '.join(names)}: {cause}"
    if untold:
        yield f"whether pods of the control plane could come back can't be told: {untold}"


def _templates(session: Session) -> Iterator[tuple[str, Object]]:
    for kind in _WORKLOADS:
        for found in session.api.list(kind, namespace=NAMESPACE, labels=MANAGED_BY):
            yield found["metadata"]["name"], found["spec"]["template"]


def _cause(session: Session, template: Object) -> str | None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], "name": _TRIAL, "namespace": NAMESPACE},
        "spec": template["spec"],
    }
    pod["metadata"].pop("creationTimestamp", None)
    try:
        made = session.api.try_out(pod)
    except ApiError as error:
        if _NOT_TO_BE_TRIED in error.message:
            return None
        if told := _of_webhook(session, error.message):
            return told
        if error.status not in {400, 403, 422}:
            raise
        return _told(error.message)
    if note := made["metadata"].get("annotations", {}).get(_LIMITED_NOTE):
        what = note.removeprefix("LimitRanger plugin set: ")
        return f"a LimitRange of {NAMESPACE} would set their {what}; {_LIMITS}"
    if change := _change(pod["spec"], made["spec"]):
        return _who_changes(session, change)
    return None


def _told(message: str) -> str:
    for said, meaning, mends in _CAUSES:
        if found := re.search(said, message):
            return f"{found.expand(meaning)}: {_LATER}; {found.expand(mends)}"
    return f"{_LATER}: {message}"


def _of_webhook(session: Session, message: str) -> str | None:
    """Say what a webhook does to them, None where the message is of none."""
    for said, meaning in _BY_A_WEBHOOK:
        if found := re.search(said, message):
            mends = "; ".join(
                webhooks.leaving_out(*one) for one in webhooks.named(session, found[1])
            )
            return f"the webhook {found[1]} {meaning}: {_LATER}; {mends}"
    return None


def _change(asked: Object, made: Object) -> str | None:
    """Say what of a pod would be another one than was asked for, None for nothing that matters."""
    for part in ("initContainers", "containers"):
        before = {one["name"]: one for one in asked.get(part, [])}
        for one in made.get(part, []):
            if one["name"] not in before:
                return f"add a container {one['name']} to them"
            for key in _BROUGHT:
                if one.get(key) != before[one["name"]].get(key, one.get(key)):
                    return f"set the {key} of {one['name']} to {one.get(key)}"
    return None


def _who_changes(session: Session, change: str) -> str:
    """Say who may do that, and what keeps them from it."""
    found = list(webhooks.mutating(session, "Pod"))
    if not found:
        return f"an admission plugin would {change}; see enable-admission-plugins in extra_args"
    names = " or ".join(webhook["name"] for *_, webhook in found)
    mends = "; ".join(webhooks.leaving_out(*one) for one in found)
    return f"the webhook {names} would {change}, and they may not start; {mends}"
