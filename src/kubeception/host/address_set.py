"""Sets of IPv4 addresses, as packet filters have them: of many networks, asked for many packets."""

import socket
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network

_BITS = 32
_LAST = (1 << _BITS) - 1


@dataclass(frozen=True)
class AddressSet:
    """Spans of addresses as numbers, in order and apart; `is_whole` if all of it could be read."""

    firsts: tuple[int, ...]
    lasts: tuple[int, ...]
    is_whole: bool

    @classmethod
    def of(cls, values: Iterable[str]) -> "AddressSet":
        """Return what addresses, networks and ranges ("first-last") are of; IPv6 counts for none.

        What is none of these makes it less than whole.
        """
        spans, is_whole = [], True
        for value in values:
            try:
                spans.append(_span(value))
            except (OSError, ValueError):
                is_whole = is_whole and ":" in value
        merged = _merged(sorted(spans))
        return cls(tuple(first for first, _ in merged), tuple(last for _, last in merged), is_whole)

    def has(self, network: IPv4Network | None) -> bool | None:
        """Tell whether all of a network is in it; None where some is, or that can't be told."""
        if network is None:
            return True if (self.firsts[:1], self.lasts[:1]) == ((0,), (_LAST,)) else None
        first, last = int(network.network_address), int(network.broadcast_address)
        at = bisect_right(self.firsts, last) - 1
        if at < 0 or self.lasts[at] < first:
            return False if self.is_whole else None
        return True if self.firsts[at] <= first and last <= self.lasts[at] else None


def _span(value: str) -> tuple[int, int]:
    """Return the first address and the last; raises OSError or ValueError for what isn't IPv4."""
    first, is_range, last = value.partition("-")
    if is_range:
        return _number(first), _number(last)
    address, _, length = value.partition("/")
    bits = _BITS - int(length or _BITS)
    if not 0 <= bits <= _BITS:
        raise ValueError(value)
    number = _number(address) >> bits << bits
    return number, number | (1 << bits) - 1


def _number(address: str) -> int:
    return int.from_bytes(socket.inet_pton(socket.AF_INET, address), "big")


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans, given in order, so that they neither overlap nor touch."""
    found: list[tuple[int, int]] = []
    for first, last in spans:
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found
