"""Who makes way when all places are taken."""

from ipaddress import ip_address

import pytest

from kubeception.join.slots import Connection, Slots, source_of


@pytest.mark.parametrize(
    ("peer", "source"),
    [
        ("192.0.2.21", "192.0.2.21"),
        ("::ffff:192.0.2.21", "192.0.2.21"),
        ("::ffff:c000:215", "192.0.2.21"),
        ("2001:db8:0::21", "2001:db8::21"),
    ],
)
def test_an_address_is_the_same_however_a_socket_says_it(peer: str, source: str) -> None:
    assert str(source_of(peer)) == source
    assert source_of(peer) == ip_address(source)


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
