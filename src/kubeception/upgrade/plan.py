"""The plan of an upgrade: what becomes what, in which order, and whether it may begin."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kubeception.preflight.finding import Finding, Severity
from kubeception.upgrade import checks
from kubeception.upgrade.cluster_state import ClusterState, NodeState
from kubeception.versions import numbers


@dataclass(frozen=True)
class Step:
    """One thing that becomes another version; `before` is None where it is not known."""

    what: str
    before: str | None
    after: str


@dataclass(frozen=True)
class Plan:
    """An upgrade before it begins; with an error among the findings it may not."""

    bundle: str
    before: str
    after: str
    steps: tuple[Step, ...]
    findings: tuple[Finding, ...]

    @property
    def is_allowed(self) -> bool:
        """Whether it may begin."""
        return not any(one.severity is Severity.ERROR for one in self.findings)


_IN_PODS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
_ADD_ONS = ("flannel", "coredns", "kubeception")
_ON_HOSTS = ("etcd", "containerd", "runc", "cni-plugins", "flannel-cni", "crictl")


def of(seen: ClusterState) -> Plan:
    """Return the plan for a cluster as it was seen."""
    return Plan(
        bundle=seen.target.version,
        before=seen.serving,
        after=seen.target.kubernetes,
        steps=tuple(step for step in _steps(seen) if step.before != step.after),
        findings=tuple(checks.findings(seen)),
    )


def _steps(seen: ClusterState) -> Iterator[Step]:
    """Yield them in their order: no kubelet is ever newer than its API server."""
    workers = [node for node in seen.nodes if not node.is_control_plane]
    planes = [node for node in seen.nodes if node.is_control_plane]
    of_workers, of_planes = (tuple(_of_hosts(seen, nodes)) for nodes in (workers, planes))
    if numbers(seen.target.kubernetes) < numbers(seen.serving):
        yield from (*of_workers, *_of_pods(seen), *of_planes)
    else:
        yield from (*_of_pods(seen), *of_planes, *of_workers)


def _of_pods(seen: ClusterState) -> Iterator[Step]:
    there = seen.present.components if seen.present else {}
    for name in _IN_PODS:
        yield Step(name, seen.serving, seen.target.kubernetes)
    for name in _ADD_ONS:
        yield Step(name, there.get(name), seen.target.components[name])


def _of_hosts(seen: ClusterState, nodes: Iterable[NodeState]) -> Iterator[Step]:
    there = seen.present.components if seen.present else {}
    for node in nodes:
        yield Step(f"{node.name}: kubelet", node.kubelet or None, seen.target.kubernetes)
        for name in _ON_HOSTS if node.is_control_plane else ():
            yield Step(f"{node.name}: {name}", there.get(name), seen.target.components[name])
