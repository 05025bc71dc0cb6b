"""One of several acts: candidates for one Lease of a real API, each with a clock of its own."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from tests.fixed import NOW
from tests.unit.sessions import Hands

from kubeception.errors import ApiError
from kubeception.kube.client import KEEPER, Api
from kubeception.kube.lease import Lease
from kubeception.render.objects import NAMESPACE, metadata
from kubeception.resources.object import Object
from kubeception.session import Session

LEASE = "contested"
DURATION_S = 15
MINUTES = timedelta(minutes=2)


@pytest.fixture(autouse=True)
def lease(session: Session) -> Iterator[None]:
    made = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata(LEASE),
    }
    Object(made).apply(session)
    yield
    session.api.delete("Lease", LEASE, namespace=NAMESPACE)


def candidate(name: str, hands: Hands) -> Lease:
    clock = hands.clock()
    return Lease(
        LEASE,
        name,
        namespace=NAMESPACE,
        manager=KEEPER,
        duration_s=DURATION_S,
        now=clock.now,
        monotonic=clock.monotonic,
    )


def holder(api: Api) -> str:
    found = api.get("Lease", LEASE, namespace=NAMESPACE)
    assert found
    return str(found["spec"]["holderIdentity"])


def test_one_holds_it_and_what_it_lets_go_is_taken_at_once(api: Api) -> None:
    hands = Hands()
    one, other = candidate("one", hands), candidate("other", hands)

    assert one.hold(api)
    assert not other.hold(api)
    one.release(api)
    assert other.hold(api)
    assert not candidate("one", hands).hold(api)


def test_the_same_one_goes_on_after_a_restart(api: Api) -> None:
    assert candidate("one", Hands()).hold(api)

    assert candidate("one", Hands()).hold(api)


@pytest.mark.parametrize("ahead", [MINUTES, -MINUTES])
def test_a_live_ones_lease_is_not_stolen_whatever_its_clock_says(
    api: Api, ahead: timedelta
) -> None:
    mine, theirs = Hands(), Hands(start=NOW + ahead)
    live, other = candidate("live", theirs), candidate("other", mine)

    for _ in range(DURATION_S):
        assert live.hold(api)
        assert not other.hold(api)
        mine.sleep(DURATION_S - 1)
        theirs.sleep(DURATION_S - 1)


@pytest.mark.parametrize("ahead", [MINUTES, -MINUTES])
def test_a_dead_ones_lease_is_taken_after_its_duration_whatever_its_clock_said(
    api: Api, ahead: timedelta
) -> None:
    mine = Hands()
    other = candidate("other", mine)
    assert candidate("dead", Hands(start=NOW + ahead)).hold(api)

    for _ in range(DURATION_S):
        assert not other.hold(api)
        mine.sleep(1)

    assert other.hold(api)
    assert holder(api) == "other"


def test_it_is_written_again_only_when_it_is_time_to(api: Api) -> None:
    hands = Hands()
    one = candidate("one", hands)

    def version() -> str:
        assert one.hold(api)
        return str(one.read(api)["metadata"]["resourceVersion"])

    first = version()
    hands.sleep(1)
    assert version() == first
    hands.sleep(1)
    assert version() != first


def test_of_two_that_take_it_in_the_same_moment_one_gets_it(api: Api) -> None:
    """Both have read it before either has written."""
    quick = candidate("quick", Hands())

    def in_between() -> datetime:
        assert quick.hold(api)
        return NOW

    slow = Lease(LEASE, "slow", namespace=NAMESPACE, manager=KEEPER, now=in_between)

    assert not slow.hold(api)
    assert holder(api) == "quick"


def test_what_another_one_has_taken_meanwhile_stays_its_own_when_it_is_let_go(api: Api) -> None:
    mine, theirs = Hands(), Hands()
    asleep, other = candidate("asleep", theirs), candidate("other", mine)
    assert asleep.hold(api)
    assert not other.hold(api)
    mine.sleep(DURATION_S)
    assert other.hold(api)

    asleep.release(api)

    assert holder(api) == "other"


def test_a_lease_that_is_gone_is_told(api: Api) -> None:
    api.delete("Lease", LEASE, namespace=NAMESPACE)

    with pytest.raises(ApiError, match="there is no Lease contested"):
        candidate("one", Hands()).hold(api)
