"""What other people's admission would make of our pods, were they to be made anew.

Admission is asked itself, by dry runs: it alone knows all that it goes by.
"""

import re
from collections.abc import Iterator

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
    (
        r'admission webhook "([^"]+)"',
        r"the webhook \1 refuses them",
        f"leave {NAMESPACE} out of its namespaceSelector",
    ),
)
# A webhook that can't be asked without effects can't be judged.
_NOT_TO_BE_TRIED = "does not support dry run"


def refusals(session: Session) -> Iterator[str]:
    """Yield why pods of ours that end could not come back, each cause once, with what mends it."""
    seen: dict[str, list[str]] = {}
    for kind in _WORKLOADS:
        for found in session.api.list(kind, namespace=NAMESPACE, labels=MANAGED_BY):
            if cause := _cause(session, found["spec"]["template"]):
                seen.setdefault(cause, []).append(found["metadata"]["name"])
    for cause, names in seen.items():
        yield f"{', '.join(names)}: {cause}"


def _cause(session: Session, template: Object) -> str | None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], "name": _TRIAL, "namespace": NAMESPACE},
        "spec": template["spec"],
    }
    pod["metadata"].pop("creationTimestamp", None)
    try:
        made = session.api.apply(pod, dry_run=True)
    except ApiError as error:
        if error.status not in {400, 403, 422} or _NOT_TO_BE_TRIED in error.message:
            raise
        return _told(error.message)
    if note := made["metadata"].get("annotations", {}).get(_LIMITED_NOTE):
        what = note.removeprefix("LimitRanger plugin set: ")
        return f"a LimitRange of {NAMESPACE} would set their {what}; {_LIMITS}"
    return None


def _told(message: str) -> str:
    for said, meaning, mends in _CAUSES:
        if found := re.search(said, message):
            why = found.expand(meaning)
            return f"{why}: pods that end can't come back by themselves; {found.expand(mends)}"
    return f"pods that end can't come back by themselves: {message}"
