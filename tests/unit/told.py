"""What `status` says of one thing, whatever kind of host is asked."""

from tests.fixed import FACTS

from kubeception.admin import checks
from kubeception.admin.lately import Lately
from kubeception.session import Session


def told(session: Session, what: str, *, is_worker: bool) -> str | None:
    """Return what is wrong with one of the things that it asks, None where nothing is."""
    asked = (
        checks.of_worker(FACTS)
        if is_worker
        else checks.of_control_plane(session.config, FACTS, Lately(1))
    )
    (condition,) = (one for _, one in asked if one.what == what)
    return condition.problem(session)
