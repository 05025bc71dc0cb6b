"""Who leads."""

from collections.abc import Collection
from dataclasses import replace
from functools import partial

from kubeception import timestamp
from kubeception.conditions import log_tail
from kubeception.conditions.condition import Condition, Lasting
from kubeception.conditions.reading import time
from kubeception.conditions.workloads import is_bound
from kubeception.errors import Hopeless
from kubeception.render.objects import NAMESPACE
from kubeception.session import Session

LEASES = ("kube-controller-manager", "kube-scheduler")
# One that ends leaves the Lease to the next one within seconds; one that dies, when it has run out.
LEADERLESS_S = 30.0


def lease_held(lease: str, *, timeout_s: float = 120.0) -> Condition:
    """Somebody leads: the Lease has a holder who renewed it within its duration."""

    def problem(session: Session) -> str | None:
        found = session.api.get("Lease", lease, namespace=NAMESPACE)
        if found is None or not found["spec"].get("holderIdentity"):
            return "nobody holds it"
        renewed = time(found["spec"]["renewTime"])
        age = (session.host.clock.now() - renewed).total_seconds()
        limit = found["spec"]["leaseDurationSeconds"]
        # The time and not the age: the same problem reads the same when it is looked at again.
        return None if age <= limit else f"its holder was last heard at {timestamp.text(renewed)}"

    return Condition(
        f"Lease {lease} to be held",
        problem,
        timeout_s=timeout_s,
        hint=f"kubectl -n {NAMESPACE} get lease",
        last_words=partial(log_tail.of_pods, labels={"component": lease}),
    )


def unless_nobody_leads(condition: Condition, lease: str) -> Condition:
    """The same, given up where a Lease that was held has had no holder for a while.

    What is waited for would be made by whoever holds it, and whoever waits holds the host's lock.
    """
    held, leaderless = lease_held(lease), Lasting()

    def problem(session: Session) -> str | None:
        why = condition.problem(session)
        if why is None or held.problem(session) is None:
            leaderless.is_over()
            return why
        if leaderless.outlasts(LEADERLESS_S, session.host.clock):
            raise Hopeless(f"{condition.what}: {why}, and nobody leads who would mend it")
        return why

    return replace(condition, problem=problem)


def dead_holder(session: Session, lease: str) -> str | None:
    """Say why a Lease's holder is dead, or None; only a host that is alone may ask.

    Its holder had this host's clock, so it has given up by the time that the Lease has run out.
    """
    found = session.api.get("Lease", lease, namespace=NAMESPACE)
    if found is None or not found["spec"].get("holderIdentity"):
        return None
    renewed = time(found["spec"]["renewTime"])
    if renewed.timestamp() < session.host.systemd.booted_s():
        return "its holder died with the host"
    age_s = (session.host.clock.now() - renewed).total_seconds()
    has_run_out = age_s > found["spec"]["leaseDurationSeconds"]
    return "its holder gave up" if has_run_out else None


def somebody_leads(
    lease: str, labels: dict[str, str], *, on: Collection[str], timeout_s: float
) -> Condition:
    """A Lease is held, or on some nodes there is no pod with these labels that could take it."""
    held = lease_held(lease, timeout_s=timeout_s)

    def problem(session: Session) -> str | None:
        why = held.problem(session)
        if why is None:
            return None
        pods = session.api.list("Pod", namespace=NAMESPACE, labels=labels)
        return why if any(is_bound(pod, on) for pod in pods) else None

    return replace(held, problem=problem, required=False)
