"""Units, etcd, API servers and the door."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from kubeception.conditions import log_tail
from kubeception.conditions.condition import Condition, Lasting
from kubeception.endpoints import API_PORT, BOOTSTRAP_PORT
from kubeception.errors import Hopeless
from kubeception.etcd import space
from kubeception.host import door
from kubeception.kube import health
from kubeception.kube.health import HealthAnswer
from kubeception.render import etcd
from kubeception.render.apiserver import LABELS
from kubeception.render.objects import NAMESPACE
from kubeception.session import Session

# What has crashed that often will go on.
CRASHES = 3
# A rolled or restarted API server is back well within this; a dead one is not.
API_SILENT_S = 10.0


def etcd_serves() -> Condition:
    """The local etcd member answers a linearizable read."""
    return Condition(
        "etcd to serve",
        lambda session: session.etcd.problem(),
        hint=f"journalctl -u {etcd.UNIT} -n 50",
        last_words=partial(log_tail.of_unit, unit=etcd.UNIT),
    )


def etcd_has_room() -> Condition:
    """The local etcd member takes writes: it has not used up its quota."""

    def problem(session: Session) -> str | None:
        found = space.look(session.etcd)
        return str(found) if found.is_full else None

    return Condition(
        "etcd to have room",
        problem,
        hint=space.HINT,
        last_words=partial(log_tail.of_unit, unit=etcd.UNIT),
    )


def unit_active(unit: str) -> Condition:
    """A systemd unit runs."""

    def problem(session: Session) -> str | None:
        state = session.host.systemd.state(unit)
        return None if state.active == "active" else f"{unit} is {state.active}"

    return Condition(
        f"{unit} to run",
        problem,
        hint=f"journalctl -u {unit} -n 50",
        last_words=partial(log_tail.of_unit, unit=unit),
    )


def start_at_boot(units: Sequence[str]) -> Condition:
    """Units that run do so after the next boot, too."""

    def problem(session: Session) -> str | None:
        states = {unit: session.host.systemd.state(unit) for unit in units}
        late = {
            unit: state.enabled or "not enabled"
            for unit, state in states.items()
            if state.exists and not state.starts_at_boot
        }
        words = ", ".join(f"{unit} is {enabled}" for unit, enabled in late.items())
        return f"{words} (systemctl enable {' '.join(late)})" if late else None

    return Condition("this host's units to start at boot", problem, hint="kubeception bootstrap")


def apiserver_ready(port: int, *, successes: int = 1) -> Condition:
    """The API server on a port of its own answers 200 on /readyz, by our CA."""
    which = "the bootstrap API server" if port == BOOTSTRAP_PORT else "the hosted API server"
    return Condition(
        f"{which} on port {port}",
        lambda session: health.problem(port, session.layout.pki.ca.certificate),
        successes=successes,
        hint=f"crictl ps -a --name kube-apiserver; kubectl --kubeconfig=/etc/kubernetes/admin.conf"
        f" --server=https://127.0.0.1:{port} get --raw '/readyz?verbose'",
        last_words=partial(log_tail.of_apiserver, port=port),
    )


def unless_it_crashes(condition: Condition, node: str) -> Condition:
    """The same, given up where a hosted API server of this node starts again and again."""

    def problem(session: Session) -> str | None:
        why = condition.problem(session)
        if why is None:
            return None
        here = {"spec.nodeName": node}
        for pod in session.api.list("Pod", namespace=NAMESPACE, labels=LABELS, fields=here):
            for container in pod.get("status", {}).get("containerStatuses", []):
                reason = container["state"].get("waiting", {}).get("reason")
                name, times = pod["metadata"]["name"], container["restartCount"]
                if reason == "CrashLoopBackOff" and times >= CRASHES:
                    raise Hopeless(f"{name} has restarted {times} times: {why}")
        return why

    return replace(condition, problem=problem)


def unless_nobody_serves(condition: Condition) -> Condition:
    """The same, given up where nobody has listened behind the door for a while.

    Whoever waits holds the host's lock, and the keeper, which brings such a server back, with it.
    """
    refused = Lasting()

    def problem(session: Session) -> str | None:
        ca = session.layout.pki.ca.certificate
        if health.answer(session.api_port, ca) is not HealthAnswer.REFUSED:
            refused.is_over()
            return condition.problem(session)
        why = f"nobody listens on port {session.api_port}"
        if refused.outlasts(API_SILENT_S, session.host.clock):
            raise Hopeless(f"the API server has ended: {why}")
        return why

    return replace(condition, problem=problem)


def door_leads_to(port: int) -> Condition:
    """The door points at a port, and what is behind it answers."""

    def problem(session: Session) -> str | None:
        found = door.read()
        if found is None:
            return "there is no door"
        if found.inside != port:
            return f"it points at {found.inside or 'nothing'}"
        return health.problem(API_PORT, session.layout.pki.ca.certificate)

    return Condition(
        f"the door to lead to port {port}",
        problem,
        hint="kubeception bootstrap",
        last_words=partial(log_tail.of_apiserver, port=port),
    )
