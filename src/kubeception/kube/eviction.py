"""Pods that have to go for their node to be empty, and how they are told to."""

from kubeception.errors import ApiError
from kubeception.kube.client import Api, Object

MIRROR_NOTE = "kubernetes.io/config.mirror"
ENDING = "is ending"


def is_movable(pod: Object) -> bool:
    """Tell whether a pod has to go for its node to be empty; others come back by themselves."""
    metadata = pod["metadata"]
    owners = metadata.get("ownerReferences") or []
    is_daemon = any(one.get("controller") and one["kind"] == "DaemonSet" for one in owners)
    return not is_daemon and MIRROR_NOTE not in (metadata.get("annotations") or {})


def told_to_end(api: Api, pod: Object) -> str:
    """Have a pod end if its budget allows that just now; return what becomes of it."""
    try:
        api.evict(pod)
    except ApiError as error:
        return ENDING if error.status == 404 else error.message
    return ENDING
