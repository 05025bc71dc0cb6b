"""A set of addresses has what any of its networks has; found among many as among few."""

import random
from ipaddress import IPv4Address, IPv4Network

import pytest

from kubeception.host.address_set import AddressSet


def has(network: str, *values: str) -> bool | None:
    return AddressSet.of(values).has(IPv4Network(network))


@pytest.mark.parametrize(
    ("network", "values", "is_there"),
    [
        ("192.0.2.7/32", ["192.0.2.7"], True),
        ("192.0.2.7/32", ["192.0.2.8"], False),
        ("192.0.2.7/32", ["192.0.2.9/29"], False),
        ("192.0.2.7/32", ["192.0.2.1/29"], True),
        ("192.0.2.0/24", ["192.0.2.0/25"], None),
        ("192.0.2.0/24", ["192.0.2.128/25", "192.0.2.0/25"], True),
        ("192.0.2.0/24", ["192.0.2.0-192.0.2.255"], True),
        ("192.0.2.0/24", ["192.0.2.1-192.0.2.255"], None),
        ("192.0.2.0/24", ["0.0.0.0/0"], True),
        ("192.0.2.0/24", [], False),
        ("192.0.2.0/24", ["2001:db8::/32"], False),
        ("192.0.2.0/24", ["a-name"], None),
        ("192.0.2.0/24", ["192.0.2.0/40"], None),
        ("192.0.2.0/24", ["192.0.2.0/24", "a-name"], True),
        ("0.0.0.0/0", ["0.0.0.0/1"], None),
    ],
)
def test_a_network_is_in_it_or_not_or_in_part(
    network: str, values: list[str], *, is_there: bool | None
) -> None:
    assert has(network, *values) is is_there


def test_of_nobody_knows_where_only_a_set_of_all_is_sure() -> None:
    assert AddressSet.of(["0.0.0.0/1", "128.0.0.0/1"]).has(None) is True
    assert AddressSet.of(["0.0.0.0/1"]).has(None) is None
    assert AddressSet.of([]).has(None) is None


def test_among_many_networks_one_is_found_as_by_looking_at_each() -> None:
    chance = random.Random(1)
    sparse = 0xC0000000  # so that networks overlap, touch and leave gaps
    networks = [
        IPv4Network((sparse | chance.getrandbits(12), chance.choice([28, 30, 32])), strict=False)
        for _ in range(300)
    ]
    found = AddressSet.of(map(str, networks))

    for number in range(1 << 12):
        address = IPv4Address(sparse | number)
        assert found.has(IPv4Network(address)) is any(address in one for one in networks)
