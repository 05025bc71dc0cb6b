"""Who makes way when all places are taken."""

from kubeception.join.connections import Room, Visitor


def test_the_oldest_makes_way() -> None:
    room = Room(2)
    first, second, third = Visitor(), Visitor(), Visitor()

    assert all(room.enter(one) for one in (first, second, third))
    assert list(room) == [second, third]


def test_who_has_proven_something_stays() -> None:
    room = Room(2)
    first, second, third = Visitor(has_proven=True), Visitor(), Visitor()

    assert all(room.enter(one) for one in (first, second, third))
    assert list(room) == [first, third]


def test_where_all_have_nobody_comes_in() -> None:
    room = Room(1)
    first = Visitor(has_proven=True)
    room.enter(first)

    assert not room.enter(Visitor())
    room.leave(first)
    assert room.enter(Visitor())
