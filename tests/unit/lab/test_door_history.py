"""What `nft monitor` says of the door, as moments."""

from tests.lab import door_history
from tests.lab.door_history import Moment

BUILT = """\
add table ip kubeception-door
delete table ip kubeception-door
add table ip kubeception-door
add map ip kubeception-door inside { type inet_proto : inet_service; }
add element ip kubeception-door inside { tcp : 6444 }
# new generation 14 by process 20244 (nft)
"""
TURNED = """\
delete element ip kubeception-door inside { tcp : 6444 }
add element ip kubeception-door inside { tcp : 6445 }
add element ip kubeception-door outside { tcp : 6445 }
# new generation 22 by process 21975 (nft)
"""
OTHERS = """\
add element ip kube-proxy cluster-ips { 10.65.0.1 }
# new generation 23 by process 22138 (nft)
"""
REMOVED = """\
delete set ip kubeception-door inside
delete set ip kubeception-door outside
delete table ip kubeception-door
# new generation 24 by process 22219 (nft)
"""


def moment(*, inside: set[int], outside: set[int]) -> Moment:
    return Moment(frozenset(inside), frozenset(outside))


def test_each_transaction_that_changes_the_door_is_a_moment() -> None:
    assert list(door_history.moments(BUILT + TURNED + OTHERS + REMOVED)) == [
        moment(inside={6444}, outside=set()),
        moment(inside={6445}, outside={6445}),
        moment(inside=set(), outside=set()),
    ]


def test_two_servers_at_once_would_be_seen() -> None:
    added = TURNED.split("\n", 1)[1]

    assert list(door_history.moments(BUILT + added))[-1].inside == {6444, 6445}


def test_a_log_tells_turns() -> None:
    log = " INFO 2026-11-25T13:06:06Z: kubeception::door: turned from nothing to 6444\nother\n"

    assert door_history.turns(log) == [("nothing", "6444")]
