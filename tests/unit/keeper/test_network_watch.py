"""What of the network counts: not what a single look has seen."""

from pathlib import Path

from kubeception.keeper import record
from kubeception.keeper.trouble import Looks, Reason, Trouble

DNS, PODS = Trouble(Reason.DNS, "silent"), Trouble(Reason.PODS, "no route")


def test_what_was_seen_once_does_not_count() -> None:
    assert Looks().lasting is None
    assert Looks().then(DNS).lasting is None
    assert Looks().then(DNS).then(None).then(DNS).lasting is None


def test_what_was_seen_twice_counts_as_it_was_last() -> None:
    assert Looks().then(DNS).then(DNS).lasting == DNS
    assert Looks().then(DNS).then(PODS).lasting == PODS
    assert Looks().then(DNS).then(DNS).then(None).lasting is None


def test_what_pods_alone_do_not_reach_is_looked_at_again_soon() -> None:
    of_pods = Trouble(Reason.NODES, "dropped", from_pod=True)

    assert not Looks().is_to_be_seen_again
    assert not Looks().then(DNS).is_to_be_seen_again
    assert Looks().then(of_pods).is_to_be_seen_again
    assert not Looks().then(of_pods).then(of_pods).is_to_be_seen_again


def test_status_is_told_what_pods_alone_do_not_reach(tmp_path: Path) -> None:
    assert record.trouble(tmp_path) is None
    record.write_trouble(tmp_path, Trouble(Reason.NODES, "dropped", from_pod=True))
    assert record.trouble(tmp_path) == "dropped"
    for over in (DNS, None):  # the one is asked by status itself
        record.write_trouble(tmp_path, over)
        assert record.trouble(tmp_path) is None
