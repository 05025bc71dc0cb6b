"""Who makes way when all places are taken."""

from kubeception.join.slots import Connection, Slots


def test_the_oldest_makes_way() -> None:
    slots = Slots(2)
    first, second, third = Connection(), Connection(), Connection()

    assert all(slots.enter(one) for one in (first, second, third))
    assert list(slots) == [second, third]


def test_who_has_proven_something_stays() -> None:
    slots = Slots(2)
    first, second, third = Connection(has_proven=True), Connection(), Connection()

    assert all(slots.enter(one) for one in (first, second, third))
    assert list(slots) == [first, third]


def test_where_all_have_nobody_comes_in() -> None:
    slots = Slots(1)
    first = Connection(has_proven=True)
    slots.enter(first)

    assert not slots.enter(Connection())
    slots.leave(first)
    assert slots.enter(Connection())
