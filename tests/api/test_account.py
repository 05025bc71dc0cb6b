"""An account of ours that somebody has deleted is back, and so is who runs as it."""

import pytest
from tests.api.rig import Rig
from tests.fixed import CONFIG, FACTS

from kubeception.phases import control_plane
from kubeception.render import coredns
from kubeception.render.objects import NAMESPACE
from kubeception.resources import Resource
from kubeception.session import Session

COREDNS, OTHER = "coredns", "kubeception-controller"


@pytest.fixture(autouse=True)
def applied(rig: Rig) -> None:
    rig.apply_everything()


def account(name: str) -> Resource:
    [found] = (
        one
        for one in control_plane.plan(CONFIG, FACTS)
        if str(one) == f"ServiceAccount {NAMESPACE}/{name}"
    )
    return found


def pods_of(session: Session, name: str) -> set[str]:
    """Return the pods that run as an account and are not about to end, by their uids."""
    return {
        pod["metadata"]["uid"]
        for pod in session.api.list("Pod", namespace=NAMESPACE)
        if pod["spec"].get("serviceAccountName") == name
        and "deletionTimestamp" not in pod["metadata"]
    }


def test_who_has_a_token_of_the_account_before_gives_way(rig: Rig, session: Session) -> None:
    rig.until("pods", lambda: len(pods_of(session, COREDNS)) == coredns.REPLICAS)
    rig.until("pods", lambda: bool(pods_of(session, OTHER)))
    before, others = pods_of(session, COREDNS), pods_of(session, OTHER)
    session.api.delete("ServiceAccount", COREDNS, namespace=NAMESPACE)
    wanted = account(COREDNS)
    assert wanted.drift(session) == "missing"

    wanted.apply(session)

    assert wanted.drift(session) is None
    assert not pods_of(session, COREDNS) & before
    rig.until("new ones", lambda: len(pods_of(session, COREDNS)) == len(before))
    assert pods_of(session, OTHER) == others


def test_of_one_that_is_there_nobody_gives_way(rig: Rig, session: Session) -> None:
    rig.until("pods", lambda: bool(pods_of(session, COREDNS)))
    before = pods_of(session, COREDNS)

    account(COREDNS).apply(session)

    assert pods_of(session, COREDNS) == before
