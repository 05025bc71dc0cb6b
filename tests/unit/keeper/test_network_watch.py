"""What of the network counts: not what a single look has seen."""

from kubeception.keeper.network_watch import Looks, Reason, Trouble

DNS, PODS = Trouble(Reason.DNS, "silent"), Trouble(Reason.PODS, "no route")


def test_what_was_seen_once_does_not_count() -> None:
    assert Looks().lasting is None
    assert Looks().then(DNS).lasting is None
    assert Looks().then(DNS).then(None).then(DNS).lasting is None


def test_what_was_seen_twice_counts_as_it_was_last() -> None:
    assert Looks().then(DNS).then(DNS).lasting == DNS
    assert Looks().then(DNS).then(PODS).lasting == PODS
    assert Looks().then(DNS).then(DNS).then(None).lasting is None
