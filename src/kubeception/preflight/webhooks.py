"""Admission webhooks that would refuse what we apply, since nobody answers for them."""

from collections.abc import Iterator

from kubeception.conditions import LEASES, current_problem, lease_held
from kubeception.errors import KubeceptionError
from kubeception.kube.kinds import KINDS
from kubeception.preflight.finding import Finding, warning
from kubeception.preflight.scene import Scene
from kubeception.reach import Reach
from kubeception.render.objects import NAMESPACE
from kubeception.webhooks import Unanswered, concerns_us, is_certain, unanswered


def without_backend(scene: Scene) -> Iterator[Finding]:
    """Want no webhook that must answer for kube-system and can't.

    The bootstrap API server runs without webhooks, so a run that goes by it is not stopped; nor is
    one that has to bring a leader back.
    """
    if not scene.live or not scene.is_root:
        return
    try:
        for one in unanswered(scene.reach):
            if concerns_us(one.webhook):
                yield _finding(scene, one)
    except KubeceptionError as error:
        yield warning(
            "Webhook", f"the API was not to be asked: {error.message}", "kubeception status"
        )


def _finding(scene: Scene, one: Unanswered) -> Finding:
    is_in_the_way = scene.is_carried and is_certain(one.webhook) and _is_led(scene.reach)
    found = Finding if is_in_the_way else warning
    return found(
        f"Webhook-{one.configuration}",
        f"{one.kind} {one.configuration}: {one.webhook['name']} must answer for {NAMESPACE}: "
        f"{one.problem}",
        f"mend it, kubectl delete {KINDS[one.kind].plural} {one.configuration}, "
        "or bootstrap --rebuild",
    )


def _is_led(reach: Reach) -> bool:
    return not any(current_problem(lease_held(lease), reach) for lease in LEASES)
