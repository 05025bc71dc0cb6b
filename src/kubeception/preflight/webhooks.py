"""Admission webhooks that would refuse what we apply, since nobody answers for them."""

from collections.abc import Iterator

from kubeception.conditions import LEASES, current_problem, lease_held
from kubeception.conditions.webhooks import Unanswered, concern, is_certain, mending, unanswered
from kubeception.errors import KubeceptionError
from kubeception.preflight.finding import Finding, warning
from kubeception.preflight.host_state import HostState
from kubeception.session import Session


def without_backend(seen: HostState) -> Iterator[Finding]:
    """Want no webhook that must answer for kube-system or for Nodes and can't.

    The bootstrap API server runs without webhooks, so a run that goes by it is not stopped; nor is
    one that has to bring a leader back.
    """
    if not seen.live or not seen.is_root:
        return
    try:
        for one in unanswered(seen.session):
            if what := concern(one.webhook):
                yield _finding(seen, one, what)
    except KubeceptionError as error:
        yield warning(
            "Webhook", f"the API was not to be asked: {error.message}", "kubeception status"
        )


def _finding(seen: HostState, one: Unanswered, what: str) -> Finding:
    is_in_the_way = seen.is_carried and is_certain(one.webhook) and _is_led(seen.session)
    found = Finding if is_in_the_way else warning
    return found(
        f"Webhook-{one.configuration}",
        f"{one.kind} {one.configuration}: {one.webhook['name']} must answer for {what}: "
        f"{one.problem}",
        f"mend it, or go on without it: {mending(one)}",
    )


def _is_led(session: Session) -> bool:
    return not any(current_problem(lease_held(lease), session) for lease in LEASES)
