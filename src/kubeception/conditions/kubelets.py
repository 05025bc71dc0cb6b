"""What users want of kubelets through the API server: logs, and commands in pods."""

import re
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path

from kubeception import pace
from kubeception.conditions.condition import Condition
from kubeception.conditions.network import is_answered, together
from kubeception.conditions.nodes import Nodes
from kubeception.conditions.reading import condition_of, node_addresses
from kubeception.config.model import Cni
from kubeception.errors import ApiError
from kubeception.kube import kubelet as its
from kubeception.kube.client import Object
from kubeception.render import containerd, flannel, kubelet, proxy
from kubeception.render.objects import NAMESPACE
from kubeception.session import Session

# On so many nodes a look tries a log and a command, on others what costs less; the next ones' turn
# comes so much later, and those where it failed are always among them.
MOST_TRIED = 32
TURN_S = 10.0
TIMEOUT_S = 5.0
# The container runtime serves a command's streams to its kubelet, on the host's own loopback.
_RUNTIME = re.compile(r"dial tcp (127\.0\.0\.1|\[::1\]):\d+:")
_REFUSED, _UNAUTHORIZED = "connection refused", "Unauthorized"
_SILENT = re.compile(r"i/o timeout|deadline exceeded|Client.Timeout")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT")
_CERTIFICATE = re.compile(r"x509: .*|remote error: tls: .*")
_FORBIDDEN = re.compile(r"Forbidden \(.*\)")


def kubelets_answer(ready: Nodes, suspects: set[str] | None = None) -> Condition:
    """The API server gets from each node's kubelet what users want of it.

    `suspects` are the nodes where it failed lately, kept from one look to the next.
    """
    suspects = set() if suspects is None else suspects

    def problem(session: Session) -> str | None:
        nodes = {one["metadata"]["name"]: one for one in ready(session)}
        turn = tried(sorted(nodes), suspects, session.host.clock.now())

        def look(name: str) -> str | None:
            return _problem(session, nodes[name], has_turn=name in turn)

        found = dict(zip(nodes, together(nodes, look), strict=True))
        suspects.clear()
        suspects.update(name for name, why in found.items() if why)
        return "; ".join(filter(None, found.values())) or None

    what = "the API server to reach every node's kubelet, for logs and commands"
    return Condition(what, problem)


def tried(names: Sequence[str], suspects: Collection[str], now: datetime) -> set[str]:
    """Return the nodes whose turn it is: some that failed, and those at the ring's place by now."""
    known = [name for name in names if name in suspects][: MOST_TRIED // 2]
    others = [name for name in names if name not in known]
    room = MOST_TRIED - len(known)
    first = int(now.timestamp() // TURN_S) * room % len(others) if len(others) > room else 0
    return {*known, *[*others[first:], *others[:first]][:room]}


def _problem(session: Session, node: Object, *, has_turn: bool) -> str | None:
    name, address = node["metadata"]["name"], _address(node)

    def is_well() -> None:
        session.api.ask_kubelet(name)

    pod = _pod(session, name) if has_turn else None
    if pod is None:
        return _told(session, node, _failure(is_well))
    log = patiently(lambda timeout_s: _read_log(session, pod, timeout_s), address)
    # Each answer that doesn't come takes seconds, so what is plain by then isn't asked.
    if log and (_is_cut_off(log, address) or _failure(is_well)):
        return _told(session, node, log)
    run = patiently(lambda timeout_s: _execute(session, pod, timeout_s), address)
    if (log or run) and not _is_there(session, pod):
        return None  # another one takes its place: the next look tries that
    return _told(session, node, log=log, run=run)


def _failure(way: Callable[[], object]) -> ApiError | None:
    try:
        way()
    except ApiError as error:
        return error
    return None


def patiently(way: Callable[[float], object], address: str) -> ApiError | None:
    """Return what goes wrong; whoever says no word in time is only slow where everything is."""
    error = _failure(lambda: way(TIMEOUT_S))
    if error is None or not _is_silent(error) or _is_cut_off(error, address):
        return error
    longer_s = pace.patience_s(TIMEOUT_S, longest_s=pace.LONGEST_AT_WORK_S)
    return error if longer_s == TIMEOUT_S else _failure(lambda: way(longer_s))


def _pod(session: Session, node: str) -> Object | None:
    """Return the pod of a node that is there for the network, if it is ready."""
    has_flannel = session.config.net.cni is Cni.FLANNEL
    found = session.api.list(
        "Pod",
        namespace=NAMESPACE,
        labels=flannel.LABELS if has_flannel else proxy.LABELS,
        fields={"spec.nodeName": node},
    )
    return next((pod for pod in found if condition_of(pod, "Ready")), None)


def _is_there(session: Session, pod: Object) -> bool:
    now = _pod(session, pod["spec"]["nodeName"])
    return now is not None and now["metadata"]["uid"] == pod["metadata"]["uid"]


def _read_log(session: Session, pod: Object, timeout_s: float) -> None:
    found = session.api.log(pod, _container(pod), lines=1, timestamps=True, timeout_s=timeout_s)
    # Where a file can't be read, the kubelet's word stands in place of a line, and has no time.
    if found and not _TIME.match(found[0]):
        raise ApiError(500, "", found[0])


def _execute(session: Session, pod: Object, timeout_s: float) -> None:
    """Run what does nothing in that pod; kube-proxy's image has no other program."""
    has_flannel = session.config.net.cni is Cni.FLANNEL
    command = ("true",) if has_flannel else (proxy.NAME, "--version")
    session.api.execute(pod, _container(pod), command, timeout_s=timeout_s)


def _container(pod: Object) -> str:
    name: str = pod["spec"]["containers"][0]["name"]
    return name


def _told(
    session: Session,
    node: Object,
    whole: ApiError | None = None,
    *,
    log: ApiError | None = None,
    run: ApiError | None = None,
) -> str | None:
    """Say what failed on a node and why: all, or by a kubelet that is well, logs or commands."""
    address, ca = _address(node), session.config.layout.pki.ca.certificate
    failed = {"its kubelet": whole, "logs": log, "exec": run}
    why: dict[str, list[str]] = {}
    for what, error in failed.items():
        if error:
            said = cause(error, address, ca=ca, is_well=whole is None)
            why.setdefault(said, []).append(what)
    told = "; ".join(f"{' and '.join(names)}: {said}" for said, names in why.items())
    return f"{node['metadata']['name']}: {told}" if told else None


def _address(node: Object) -> str:
    return next(iter(node_addresses(node)), "")


def _is_silent(error: ApiError) -> bool:
    return error.status == 0 or bool(_SILENT.search(error.message))


def _is_cut_off(error: ApiError, address: str) -> bool:
    """Tell whether nothing came back to the API server, and nothing comes back to this host."""
    is_known = _is_silent(error) and bool(address)
    return is_known and not is_answered(ip_address(address), its.PORT)


def cause(error: ApiError, address: str, *, ca: Path, is_well: bool) -> str:
    """Return why a kubelet at an address did not serve, and the command that mends it or tells.

    `is_well`: it says so itself, and so does no more than part of it.
    """
    said, at = error.message, f"{address}:{its.PORT}"
    if _RUNTIME.search(said):
        return f"the container runtime does not serve it: {said} ({_anew(containerd.UNIT)})"
    if _is_silent(error) and is_well:
        return f"no answer by way of the container runtime ({_anew(containerd.UNIT)})"
    if _REFUSED in said:
        return f"{at} refuses connections (there: kubeception status)"
    if _is_cut_off(error, address):
        return f"{at} does not answer (there: kubeception status)"
    if _is_silent(error):
        return f"{at} takes connections and says nothing ({_anew(kubelet.UNIT)})"
    if found := _CERTIFICATE.search(said):
        return f"{at} shows a wrong certificate: {found[0]} (there: kubeception certs check)"
    if found := _FORBIDDEN.search(said):
        return f"{at} refuses the API server: {found[0]} (kubeception bootstrap)"
    if error.status == HTTPStatus.UNAUTHORIZED or said.endswith(_UNAUTHORIZED):
        mend = f"kubeception certs check; if that finds nothing, scp {ca} {address}:{ca}"
        return f"{at} does not know the API server's certificate ({mend})"
    return f"{said} (there: journalctl -u {kubelet.UNIT} -n 50)"


def _anew(unit: str) -> str:
    return f"there: systemctl restart {unit}"
