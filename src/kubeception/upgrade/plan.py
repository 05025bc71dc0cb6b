"""The plan of an upgrade: what becomes what, in which order, and whether it may begin."""

from collections.abc import Iterator
from dataclasses import dataclass

from kubeception.preflight.finding import Finding, Severity
from kubeception.upgrade import checks
from kubeception.upgrade.cluster_state import ClusterState


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


# The API server goes first and a kubelet never before it, as the skew policy says.
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
    wanted = seen.target.components
    there = seen.present.components if seen.present else {}
    for name in _IN_PODS:
        yield Step(name, seen.serving, seen.target.kubernetes)
    for name in _ADD_ONS:
        yield Step(name, there.get(name), wanted[name])
    control_planes_first = sorted(seen.nodes, key=lambda node: not node.is_control_plane)
    for node in control_planes_first:
        yield Step(f"{node.name}: kubelet", node.kubelet or None, seen.target.kubernetes)
        if node.is_control_plane:
            for name in _ON_HOSTS:
                yield Step(f"{node.name}: {name}", there.get(name), wanted[name])
