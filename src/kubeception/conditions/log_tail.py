"""Why something does not come up: what its unit or container has to say for itself."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from kubeception.conditions.reading import condition_of, conditions_of
from kubeception.endpoints import BOOTSTRAP_PORT
from kubeception.errors import KubeceptionError
from kubeception.host import logs, pods
from kubeception.host.pods import Sandbox
from kubeception.render import apiserver, kubelet
from kubeception.render.objects import NAMESPACE
from kubeception.session import Session

# By which a static pod, whose mirror has another id, is known on its host.
_HASH = "kubernetes.io/config.hash"


def of_unit(session: Session, unit: str) -> Sequence[str]:
    """Return how a unit is, by systemd, and its last lines."""
    try:
        state = str(session.host.systemd.state(unit))
    except KubeceptionError as error:
        state = error.message
    return (f"{unit}: {state}", *logs.of_unit(unit, root=session.host.inside))


def of_apiserver(session: Session, port: int) -> Sequence[str]:
    """Return the last lines of this host's API server that is to answer on a port.

    Those of the kubelet where it has not started one.
    """
    is_bootstrap = port == BOOTSTRAP_PORT

    def is_it(pod: Sandbox) -> bool:
        if is_bootstrap:
            return pod.labels.get("component") == apiserver.BOOTSTRAP_NAME
        return pod.annotations.get(apiserver.PORT_NOTE) == str(port)

    try:
        said = _of_sandbox(session, is_it)
    except KubeceptionError:  # it is off, or the host has no crictl: by the name, then
        name = apiserver.BOOTSTRAP_NAME if is_bootstrap else apiserver.NAME
        folders = session.layout.kubelet.pod_logs.glob(f"{NAMESPACE}_{name}-*")
        newest = max(folders, key=lambda path: path.stat().st_mtime, default=None)
        said = _of_folder(newest) if newest else ()
    return said or of_unit(session, kubelet.UNIT)


def of_pods(
    session: Session,
    labels: Mapping[str, str],
    *,
    node: str | None = None,
    on: Collection[str] | None = None,
) -> Sequence[str]:
    """Return how a pod with these labels is, the newest that isn't ready, and its last lines.

    Where all are ready it is the newest, and where no API answers the newest of this host. `node`
    asks for those of one node, as its kubelet may; `on` counts only those of some.
    """

    def is_it(pod: Sandbox) -> bool:
        return labels.items() <= pod.labels.items()

    fields = {"spec.nodeName": node} if node else None
    try:
        found = session.api.list("Pod", namespace=NAMESPACE, labels=labels, fields=fields)
    except KubeceptionError:
        return _of_sandbox(session, is_it)
    there = [
        pod
        for pod in found
        if "deletionTimestamp" not in pod["metadata"]
        and (on is None or pod["spec"].get("nodeName", "") in {"", *on})
    ]
    late = [pod for pod in there if not condition_of(pod, "Ready")]
    if newest := max(late or there, key=_made, default=None):
        return of_pod(session, newest)
    return (f"there is no pod with {', '.join(f'{k}={v}' for k, v in labels.items())}",)


def of_own_pods(session: Session, labels: Mapping[str, str], *, within_s: float) -> Sequence[str]:
    """Return the last lines of this host's newest pod with these labels; the API isn't asked.

    Only what it has said lately, within so many seconds.
    """
    since = session.host.clock.now() - timedelta(seconds=within_s)
    return _of_sandbox(session, lambda pod: labels.items() <= pod.labels.items(), since=since)


def of_pod(session: Session, pod: Mapping[str, Any]) -> Sequence[str]:
    """Return how a pod that was read is, and the last lines of its container that isn't ready."""
    metadata, node = pod["metadata"], pod["spec"].get("nodeName")
    containers = [
        *pod["status"].get("initContainerStatuses", ()),
        *pod["status"].get("containerStatuses", ()),
    ]
    late = next((one for one in containers if not one["ready"]), None)
    container = late["name"] if late else pod["spec"]["containers"][0]["name"]
    state = _state(late) if late else _state_of_pod(pod)
    head = f"pod {metadata['namespace']}/{metadata['name']} on {node or 'no node'}: {state}"
    uid = metadata.get("annotations", {}).get(_HASH, metadata["uid"])
    folder = _folder(session, metadata["namespace"], metadata["name"], uid)
    said = _said(session, pod, container, folder) if node else ()
    return (head, *(said or _warned(session, pod)))


def _warned(session: Session, pod: Mapping[str, Any]) -> Sequence[str]:
    """Return what others last warned of a pod whose containers say nothing, its kubelet say.

    A worker's kubelet may not read it.
    """
    about = pod["metadata"]
    fields = {"involvedObject.name": about["name"], "type": "Warning"}
    try:
        found = session.api.list("Event", namespace=about["namespace"], fields=fields)
    except KubeceptionError:
        return ()
    of_it = [one for one in found if one["involvedObject"].get("uid") == about["uid"]]
    newest = max(of_it, key=lambda one: one.get("lastTimestamp") or "", default=None)
    return (f"{newest['reason']}: {newest['message']}",) if newest else ()


def _said(session: Session, pod: Mapping[str, Any], container: str, folder: Path) -> Sequence[str]:
    """Return the last lines of a container: of this host's disk, or from another one's kubelet."""
    if folder.exists():
        return logs.of_container(folder / container)
    try:
        return logs.last(session.api.log(dict(pod), container, lines=logs.READ))
    except KubeceptionError:  # it has not started, or its host is gone: how the pod is says more
        return ()


def _of_sandbox(
    session: Session, is_it: Callable[[Sandbox], bool], *, since: datetime | None = None
) -> Sequence[str]:
    """Return the last lines of this host's newest pod of some, by its container runtime."""
    found = pods.sandboxes(session.host, session.config.layout.containerd.socket)
    newest = max(filter(is_it, found), key=lambda pod: pod.created_s, default=None)
    if newest is None:
        return ()
    folder = _folder(session, newest.namespace, newest.name, newest.uid)
    return _of_folder(folder, since=since)


def _of_folder(folder: Path, *, since: datetime | None = None) -> Sequence[str]:
    for container in sorted(folder.glob("*/")):
        if said := logs.of_container(container, since=since):
            return (f"{container.name}, by {folder}:", *said)
    return ()


def _folder(session: Session, namespace: str, name: str, uid: str) -> Path:
    return session.layout.kubelet.pod_logs / f"{namespace}_{name}_{uid}"


def _made(pod: Mapping[str, Any]) -> str:
    made: str = pod["metadata"]["creationTimestamp"]
    return made


def _state(container: Mapping[str, Any]) -> str:
    """Return how a container is that isn't ready."""
    [(state, more)] = container["state"].items() or [("waiting", {})]
    ended = more if state == "terminated" else container.get("lastState", {}).get("terminated", {})
    words = [
        f"{container['name']} is {state}" + (f", {more['reason']}" if more.get("reason") else ""),
        more.get("message"),
        f"it ended with exit code {ended['exitCode']}" if ended else None,
    ]
    return ": ".join(word for word in words if word)


def _state_of_pod(pod: Mapping[str, Any]) -> str:
    """Return how a pod is that no container speaks for."""
    status = pod["status"]
    for one in conditions_of(dict(pod)):
        if one["type"] == "PodScheduled" and one["status"] == "False":
            return one.get("message", "no node takes it")
    words = (status.get("phase", "new"), status.get("reason"), status.get("message"))
    return ": ".join(word for word in words if word)
