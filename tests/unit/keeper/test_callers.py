"""Who comes to the door tells whether others reach what is behind it."""

from ipaddress import ip_network

import pytest

from kubeception.host.door import DoorState
from kubeception.keeper.callers import outcome

W1, W2, PERSON, POD = "192.0.2.11", "192.0.2.12", "198.51.100.7", "10.244.1.9"
NODES = {W1: "w1", W2: "w2"}
OLD, NEW = 6445, 6446


@pytest.mark.parametrize(
    ("tried", "reached", "in_vain", "stood"),
    [
        ([], [], [], []),
        ([W1], [(W1, NEW)], [], ["w1"]),
        ([W1], [(W1, OLD)], ["w1"], []),
        ([W1], [], ["w1"], []),
        ([W1, W2], [(W2, NEW)], ["w1"], ["w2"]),
        ([PERSON], [], [], []),
        ([PERSON], [(PERSON, OLD)], [PERSON], []),
        ([PERSON], [(PERSON, NEW)], [], []),
        ([POD], [(POD, OLD)], [], []),
        ([], [(W1, OLD)], [], []),
    ],
)
def test_who_counts(
    tried: list[str], reached: list[tuple[str, int]], in_vain: list[str], stood: list[str]
) -> None:
    at = DoorState(NEW, NEW, "", frozenset((one, NEW) for one in tried), frozenset(reached))

    found = outcome(at, NEW, NODES, ip_network("10.244.0.0/16"))

    assert found == (tuple(in_vain), tuple(stood))
