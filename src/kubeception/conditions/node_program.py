"""The programs of the network that have a pod on every node, as this host's runtime knows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kubeception.conditions.condition import Condition
from kubeception.config import cluster
from kubeception.errors import KubeceptionError
from kubeception.host import containers
from kubeception.host.containers import Running
from kubeception.kube import proxy as its
from kubeception.render import flannel, proxy
from kubeception.render.objects import NAMESPACE
from kubeception.session import Session

# Who has run for so long has started, on a host that is overloaded, too.
STARTS_WITHIN_S = 60.0
# One that is rolled, or started anew, is away for so long.
_COMES_WITHIN_S, _REST_S = 8.0, 1.0
_ASKED_ELSEWHERE = frozenset({"healthz-bind-address", "healthz-port"})


@dataclass(frozen=True)
class NodeProgram:
    """A program, its container, and its DaemonSet by whose labels its pod is known."""

    name: str
    container: str
    daemonset: str
    labels: Mapping[str, str]

    @property
    def mend(self) -> str:
        """The command by which somebody has it start anew, where it runs."""
        return f"crictl ps -q --name {self.container} | xargs -r crictl stop"

    @property
    def logs(self) -> str:
        """The command that shows what it said last, where it has ended."""
        return f"crictl ps -aq --latest --name {self.container} | xargs -r crictl logs --tail 20"

    @property
    def placed_anew(self) -> str:
        """What has its DaemonSet made anew, for every node; pods that run go on until then."""
        gone = f"kubectl -n {NAMESPACE} delete daemonset {self.daemonset} --cascade=orphan"
        return f"on a control-plane host: {gone}; kubeception bootstrap"

    def running(self, session: Session) -> list[Running] | None:
        """Return its containers, None where it has no pod here.

        Raises:
            KubeceptionError: the runtime can't be asked.
        """
        socket = session.config.layout.containerd.socket
        return containers.running(
            session.host, socket, labels=self.labels, container=self.container
        )

    def runs_s(self, session: Session) -> float:
        """Return for how long it has run here, 0 where it does not, or the runtime says nothing."""
        try:
            found = self.running(session)
        except KubeceptionError:
            return 0.0
        return session.host.clock.now().timestamp() - found[-1].started_s if found else 0.0

    def absence(self, session: Session) -> tuple[str, str] | None:
        """Return that it has no pod here, and what helps, as far as the runtime can be asked."""
        try:
            found = self.running(session)
        except KubeceptionError:
            return None
        return self.without_a_pod if found is None else None

    @property
    def without_a_pod(self) -> tuple[str, str]:
        """That it has no pod on this host, and what helps."""
        return f"no {self.name} runs on this host", self.placed_anew

    def silence(
        self, said: str, found: Sequence[Running] | None, now_s: float
    ) -> tuple[str, str] | None:
        """Return why it does not do its work and what helps, None while it may just be starting."""
        if found is None:
            return self.without_a_pod
        if not found:
            return f"{self.name} has ended, and has not been started again", self.logs
        if now_s - found[0].started_s < STARTS_WITHIN_S:
            return None
        return f"{self.name} is not well: {said}", self.mend


PROXY = NodeProgram(proxy.NAME, proxy.NAME, proxy.NAME, proxy.LABELS)
FLANNEL = NodeProgram("flannel", "flannel", flannel.NAME, flannel.LABELS)


def proxy_works() -> Condition:
    """This host's kube-proxy says that it is well; what it wrote before stays when it does not."""

    def problem(session: Session) -> str | None:
        return _of_proxy(session) if is_asked(session) else None

    return Condition("this host's kube-proxy to be well", problem, hint=PROXY.logs)


def is_asked(session: Session) -> bool:
    """Tell whether this host is in a cluster whose kube-proxy answers where it does by itself."""
    copy = cluster.read(session.layout.cluster)
    return copy is not None and _ASKED_ELSEWHERE.isdisjoint(copy.settings.proxy.extra_args)


def _of_proxy(session: Session) -> str | None:
    clock = session.host.clock
    ends_s = clock.monotonic() + _COMES_WITHIN_S
    while said := its.problem():
        try:
            found = PROXY.running(session)
        except KubeceptionError:  # its runtime's unit is told by itself
            return f"{PROXY.name} is not well: {said} ({PROXY.mend})"
        if found or clock.monotonic() >= ends_s:
            why = PROXY.silence(said, found, clock.now().timestamp())
            return f"{why[0]} ({why[1]})" if why else None
        clock.sleep(_REST_S)
    return None
