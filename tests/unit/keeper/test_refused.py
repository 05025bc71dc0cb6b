"""What the API refuses the keeper counts once it lasts, and is tried ever more seldom in vain."""

from kubeception.keeper.refused import REFUSED_S, Refused

WHY = "nodes is forbidden"


def test_a_moment_does_not_count() -> None:
    refused = Refused().then(WHY, 100.0).then(WHY, 109.9)

    assert refused.lasting(109.9) is None
    assert not refused.is_due(109.9)


def test_what_lasts_is_told_and_due() -> None:
    refused = Refused().then("pods is forbidden", 100.0).then(WHY, 102.0)

    assert refused.lasting(110.0) == WHY
    assert refused.is_due(110.0)


def test_where_nothing_is_refused_nothing_is_due() -> None:
    assert Refused().lasting(1e6) is None
    assert not Refused().is_due(1e6)


def test_what_a_bootstrap_does_not_help_is_tried_ever_more_seldom_and_told() -> None:
    refused, now_s = Refused(), 1000.0
    waited = []
    for _ in range(4):
        refused, began_s = refused.then(WHY, now_s), now_s
        while not refused.is_due(now_s):
            now_s += 1
        assert refused.lasting(now_s) == WHY
        waited.append(now_s - began_s)
        refused = refused.forgotten(now_s)

    assert waited == [REFUSED_S, 40, 80, 160]


def test_another_change_of_the_host_is_no_try() -> None:
    refused = Refused().then(WHY, 100.0).forgotten(105.0).then(WHY, 106.0)

    assert not refused.is_due(115.9)
    assert refused.is_due(116.0)
