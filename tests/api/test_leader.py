"""One of several controllers acts: candidates for one Lease of a real API."""

from collections.abc import Iterator
from time import monotonic

import pytest
from tests.api.rig import Rig

from kubeception.controller.leader import Leader
from kubeception.errors import ApiError
from kubeception.kube.client import Api
from kubeception.reach import Reach
from kubeception.render.objects import NAMESPACE, metadata
from kubeception.resources.object import Object

LEASE = "contested"
LENGTH_S = 3.0


@pytest.fixture
def lease(reach: Reach) -> Iterator[str]:
    made = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata(LEASE),
    }
    Object(made).apply(reach)
    yield LEASE
    reach.api.delete("Lease", LEASE, namespace=NAMESPACE)


def candidate(api: Api, name: str) -> Leader:
    return Leader(api, LEASE, name, length_s=LENGTH_S)


@pytest.mark.usefixtures("lease")
def test_the_first_one_leads_until_it_lets_go(api: Api) -> None:
    one, other = candidate(api, "one"), candidate(api, "other")

    assert one.leads()
    assert not other.leads()
    one.let_go()
    assert other.leads()
    assert not candidate(api, "one").leads()


@pytest.mark.usefixtures("lease")
def test_the_same_one_goes_on_after_a_restart(api: Api) -> None:
    assert candidate(api, "one").leads()

    assert candidate(api, "one").leads()


@pytest.mark.usefixtures("lease")
def test_a_dead_ones_lease_is_taken_when_it_has_run_out(rig: Rig, api: Api) -> None:
    assert candidate(api, "dead").leads()
    other = candidate(api, "other")
    began = monotonic()
    assert not other.leads()

    rig.until("the other one to lead", other.leads)

    assert monotonic() - began >= LENGTH_S


@pytest.mark.usefixtures("lease")
def test_a_live_ones_lease_is_not_taken(rig: Rig, api: Api) -> None:
    one, other = candidate(api, "one"), candidate(api, "other")
    assert one.leads()
    until = monotonic() + 2 * LENGTH_S

    def is_over() -> bool:
        assert one.leads()
        assert not other.leads()
        return monotonic() >= until

    rig.until("twice its length to pass", is_over)


def test_a_lease_that_is_gone_is_told(api: Api) -> None:
    with pytest.raises(ApiError, match="there is no Lease contested"):
        candidate(api, "one").leads()
