"""Empty a node: no new pods on it, and those that are there end as their budgets allow.

What comes back on the node by itself is passed over: pods of DaemonSets, and the kubelet's own.
"""

from collections.abc import Callable, Iterator

from kubeception.conditions.reading import condition_of
from kubeception.errors import WaitTimeout
from kubeception.kube.client import Api, Object
from kubeception.kube.eviction import ENDING, is_movable, told_to_end
from kubeception.session import Session

Tell = Callable[[str], None]

LOOK_EVERY_S = 0.5


def cordon(api: Api, node: Object) -> bool:
    """Keep new pods from a node that was read; return whether that is new."""
    if node.get("spec", {}).get("unschedulable"):
        return False
    api.merge("Node", node["metadata"]["name"], {"spec": {"unschedulable": True}})
    return True


def drain(session: Session, node: str, *, timeout_s: float, tell: Tell) -> None:
    """Evict a node's pods and wait until they are gone; `tell` hears of each what becomes of it.

    Raises:
        WaitTimeout: some are still there.
    """
    clock = session.host.clock
    deadline = clock.monotonic() + timeout_s
    told: dict[str, str] = {}
    while True:
        left = dict(_evict(session.api, node))
        for pod, why in left.items():
            if told.get(pod) != why:
                tell(f"pod {pod}: {why}")
        for pod in told.keys() - left.keys():
            tell(f"pod {pod}: gone")
        if not left:
            return
        if clock.monotonic() >= deadline:
            raise WaitTimeout(
                f"node {node} to be empty",
                f"{len(left)} of its pods are left",
                last_words=[f"pod {pod}: {why}" for pod, why in sorted(left.items())],
                hint=f"the same command goes on; kubectl uncordon {node} lets pods in again",
            )
        told = left
        clock.sleep(LOOK_EVERY_S)


def _evict(api: Api, node: str) -> Iterator[tuple[str, str]]:
    """Yield each pod that is still there, and why; one that nothing keeps is told to end."""
    found = api.get("Node", node)
    is_alive = found is not None and condition_of(found, "Ready")
    for pod in api.list("Pod", fields={"spec.nodeName": node}):
        metadata = pod["metadata"]
        is_ending = "deletionTimestamp" in metadata
        if not is_movable(pod) or (is_ending and not is_alive):
            continue  # a kubelet that is gone ends no pod; they go with the Node
        why = ENDING if is_ending else told_to_end(api, pod)
        yield f"{metadata['namespace']}/{metadata['name']}", why
