"""What the plan of an upgrade looks at, read once: the cluster as its users have it."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kubeception import gather
from kubeception.conditions.reading import condition_of, kubelet_version
from kubeception.conditions.upgrades import is_open, listed
from kubeception.conditions.webhooks import Unanswered, backend_problem, unanswered
from kubeception.errors import KubeceptionError
from kubeception.host import process
from kubeception.kube import health
from kubeception.preflight import Finding, look
from kubeception.render.objects import CONTROL_PLANE
from kubeception.session import Session
from kubeception.upgrade.image_program import unpacked
from kubeception.upgrade.target import Target
from kubeception.versions import Release, in_use

_ANSWER_S = 30.0
# Which program a section of the configuration is about; those of a bundle that are in images alone
# are only asked where people have set flags of theirs.
PROGRAMS = {
    "apiserver": "kube-apiserver",
    "controller_manager": "kube-controller-manager",
    "kubelet": "kubelet",
    "etcd": "etcd",
    "scheduler": "kube-scheduler",
    "proxy": "kube-proxy",
}
_FLAG = re.compile(r"^ +(?:-\w, )?--([a-z0-9-]+)", re.MULTILINE)
_GATE = re.compile(r"^\s+(?:\w+:)?(\w+)=true\|false", re.MULTILINE)
_REQUESTED = re.compile(r"^apiserver_requested_deprecated_apis\{(.*)\} [^0]", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class NodeState:
    """A Node by its own word; `kubelet` is a version without the v."""

    name: str
    kubelet: str
    is_ready: bool
    is_control_plane: bool


@dataclass(frozen=True)
class Budget:
    """A PodDisruptionBudget (namespace/name), and how many of its pods it lets go."""

    name: str
    pods: int
    healthy: int
    allowed: int


@dataclass(frozen=True)
class DeprecatedApi:
    """An API version that somebody has asked for since the API server's start.

    `removed` is the minor that no longer has it, as in 1.40.
    """

    name: str
    removed: str


@dataclass(frozen=True)
class Listed:
    """What a program of the target lists in its help: its flags, and its feature gates."""

    flags: frozenset[str]
    gates: frozenset[str]


@dataclass(frozen=True)
class ClusterState:
    """A cluster, its host that is asked, and the release that it is to go to.

    `serving` is the version of the API server behind the door, without the v, `oldest` the minor
    that can be gone back to, "" where nobody tells, and `present` what the host runs now. `args`
    are the flags that people have set, by program, and `listed` what the programs that they are for
    list. `upgrades` are the ClusterUpgrades that have not ended.
    """

    target: Release
    serving: str
    oldest: str = ""
    present: Release | None = None
    nodes: tuple[NodeState, ...] = ()
    budgets: tuple[Budget, ...] = ()
    webhooks: tuple[Unanswered, ...] = ()
    conversions: tuple[tuple[str, str], ...] = ()
    deprecated: tuple[DeprecatedApi, ...] = ()
    args: dict[str, dict[str, str]] = field(default_factory=dict)
    listed: dict[str, Listed] = field(default_factory=dict)
    upgrades: tuple[str, ...] = ()
    etcd_version: str | None = None
    etcd_problem: str | None = None
    images_size: int = 0
    images_free: int = 0
    images_folder: str = ""
    host: tuple[Finding, ...] = ()


def inspect(session: Session, target: Target) -> ClusterState:
    """Read all of it.

    Raises:
        KubeceptionError: the API can't be asked, so nothing could be said of an upgrade.
    """
    serving = health.version(session.api_port, session.layout.pki.ca.certificate)
    if serving is None:
        why = health.problem(session.api_port, session.layout.pki.ca.certificate)
        raise KubeceptionError(f"the API server can't be asked: {why}", hint="kubeception status")
    etcd_problem, settings = session.etcd.problem(), gather.settings(session)
    args = {name: dict(getattr(session.config, name).extra_args) for name in PROGRAMS}
    return ClusterState(
        target=target.release,
        serving=serving.removeprefix("v"),
        oldest=settings.oldest if settings else "",
        present=in_use(session.layout.bundle),
        nodes=tuple(map(_node, session.api.list("Node"))),
        budgets=tuple(map(_budget, session.api.list("PodDisruptionBudget"))),
        webhooks=tuple(unanswered(session)),
        conversions=tuple(_conversions(session)),
        deprecated=tuple(deprecated(session.api.metrics())),
        args=args,
        listed={name: _listed(session, target, PROGRAMS[name]) for name in args if args[name]},
        upgrades=tuple(one["metadata"]["name"] for one in filter(is_open, listed(session.api))),
        etcd_version=None if etcd_problem else session.etcd.version(),
        etcd_problem=etcd_problem,
        images_size=sum(path.stat().st_size for path in target.images(session.host)),
        images_free=shutil.disk_usage(session.layout.containerd.state).free,
        images_folder=str(session.config.layout.containerd.state),
        host=tuple(look(session)),
    )


def _node(found: dict[str, Any]) -> NodeState:
    return NodeState(
        name=found["metadata"]["name"],
        kubelet=kubelet_version(found).removeprefix("v"),
        is_ready=condition_of(found, "Ready"),
        is_control_plane=CONTROL_PLANE in found["metadata"].get("labels", {}),
    )


def _budget(found: dict[str, Any]) -> Budget:
    metadata, status = found["metadata"], found.get("status", {})
    return Budget(
        f"{metadata['namespace']}/{metadata['name']}",
        pods=status.get("expectedPods", 0),
        healthy=status.get("currentHealthy", 0),
        allowed=status.get("disruptionsAllowed", 0),
    )


def _conversions(session: Session) -> Iterator[tuple[str, str]]:
    """Yield the custom resources whose versions nobody converts, and why."""
    for found in session.api.list("CustomResourceDefinition"):
        conversion = found["spec"].get("conversion", {})
        webhook = conversion.get("webhook", {})
        if conversion.get("strategy") == "Webhook" and (
            problem := backend_problem(session, webhook)
        ):
            yield found["metadata"]["name"], problem


def deprecated(metrics: str) -> Iterator[DeprecatedApi]:
    """Yield the API versions on their way out that were asked for, as the API server counts them.

    https://kubernetes.io/docs/reference/using-api/deprecation-policy/
    """
    for labels in _REQUESTED.findall(metrics):
        said = dict(_LABEL.findall(labels))
        if said["removed_release"]:
            group = f"{said['group']}/" if said["group"] else ""
            yield DeprecatedApi(
                f"{group}{said['version']} {said['resource']}", said["removed_release"]
            )


def _listed(session: Session, target: Target, program: str) -> Listed:
    path = target.program(program)
    if session.host.at(path).exists():
        said = session.host.run([path, "--help"], timeout=_ANSWER_S)
    else:
        archive = session.host.at(target.folder / "images" / f"{program}.tar")
        with unpacked(archive, program) as file:
            said = process.run([file, "--help"], timeout=_ANSWER_S)
    words = said.stdout + said.stderr
    return Listed(frozenset(_FLAG.findall(words)), frozenset(_GATE.findall(words)))
