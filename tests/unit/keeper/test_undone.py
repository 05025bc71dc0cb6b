"""When a worker's join is carried out again for what is gone of it."""

from kubeception.keeper.own_node import LONGEST_S
from kubeception.keeper.undone import PATIENCE_S, Looks
from kubeception.standstill import Kind, Standstill

UNITS = Standstill(Kind.UNITS, "kubelet.service is not running", "systemctl")
BOTH = Standstill(Kind.UNITS, "both are not running", "systemctl")
IMAGES = Standstill(Kind.IMAGES, "the runtime lacks image a", "join")


def is_due(looks: Looks, now_s: float) -> bool:
    undone = looks.undone(now_s)
    return undone is not None and undone.is_due


def test_nothing_is_undone_where_nothing_is_gone() -> None:
    assert Looks().then(None, 0.0).undone(99.0) is None


def test_what_may_come_back_by_itself_gets_its_time() -> None:
    looks = Looks().then(UNITS, 100.0).then(BOTH, 110.0)

    assert not is_due(looks, 100.0 + PATIENCE_S - 1)
    assert is_due(looks, 100.0 + PATIENCE_S)


def test_what_was_there_in_between_or_is_something_else_is_waited_for_anew() -> None:
    later_s = 100.0 + PATIENCE_S

    assert not is_due(Looks().then(UNITS, 100.0).then(None, 110.0).then(UNITS, 120.0), later_s)
    assert not is_due(Looks().then(UNITS, 100.0).then(IMAGES, 120.0), later_s)
    assert not is_due(Looks().then(UNITS, 100.0).forgotten().then(UNITS, later_s), later_s)


def test_a_join_that_mends_nothing_is_tried_ever_more_seldom() -> None:
    looks, now_s, waited = Looks(), 1000.0, []
    for _ in range(9):
        looks = looks.forgotten().then(UNITS, now_s)
        found = looks.undone(now_s)
        assert found
        waited.append(found.patience_s)
        now_s += found.patience_s
        looks = looks.joined(now_s)

    assert waited[:5] == [30, 120, 240, 480, 960]
    assert waited[-2:] == [LONGEST_S] * 2


def test_what_was_tried_for_one_thing_does_not_delay_another() -> None:
    looks = Looks().then(UNITS, 0.0).joined(30.0).then(IMAGES, 40.0)

    assert is_due(looks, 40.0 + PATIENCE_S)


def test_a_join_for_something_else_does_not_count() -> None:
    assert Looks().joined(30.0) == Looks()
