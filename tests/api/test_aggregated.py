"""APIs of others that nobody answers for are told: meanwhile no namespace can be deleted."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.api.rig import Rig

from kubeception.conditions import aggregated
from kubeception.conditions.reading import condition_of
from kubeception.host.gateway import Clock
from kubeception.kube.client import Api
from kubeception.render import access
from kubeception.resources.object import Object as ApiObject
from kubeception.session import Session

NAME, HOME = "v1beta1.metrics.example.org", "left"
OF_NOBODY = {
    "apiVersion": "apiregistration.k8s.io/v1",
    "kind": "APIService",
    "metadata": {"name": NAME},
    "spec": {
        "group": "metrics.example.org",
        "version": "v1beta1",
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "insecureSkipTLSVerify": True,
        "service": {"namespace": "gone", "name": "metrics"},
    },
}


@pytest.fixture
def nobodys(session: Session) -> Iterator[None]:
    """An API whose pods have been deleted, and a namespace."""
    for wanted in access.bindings():
        ApiObject(wanted).apply(session)
    session.api.create(OF_NOBODY)
    session.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}})
    yield
    session.api.delete("APIService", NAME)
    session.api.delete("Namespace", HOME)


def is_stuck(api: Api) -> bool:
    """Whether the namespace's controller says that it knows no longer of what there may be."""
    return condition_of(api.get("Namespace", HOME) or {}, "NamespaceDeletionDiscoveryFailure")


def may_delete(rig: Rig) -> bool:
    """Whether an administrator may by now do what is said: bindings are learnt by watch."""
    return (
        rig.kubectl("auth", "can-i", "delete", "apiservices", check=False).stdout.strip() == "yes"
    )


@pytest.mark.usefixtures("nobodys")
def test_an_api_that_nobody_answers_for_is_told_with_what_mends_it(
    rig: Rig, session: Session
) -> None:
    api, clock = session.api, session.host.clock
    later = Clock(now=lambda: clock.now() + timedelta(minutes=2))
    in_two_minutes = replace(session, host=replace(session.host, clock=later))
    api.delete("Namespace", HOME)
    rig.until("its namespace to be stuck", lambda: is_stuck(api))

    assert list(aggregated.notices(session)) == []  # it may be on its way
    [line] = aggregated.notices(in_two_minutes)
    assert line.startswith(f'APIService {NAME}: nobody answers for it (service/metrics in "gone"')
    rig.until("an administrator to have the right", lambda: may_delete(rig))
    rig.carry_out(line)

    rig.until("the namespace to go", lambda: api.get("Namespace", HOME) is None)
    assert list(aggregated.notices(in_two_minutes)) == []
