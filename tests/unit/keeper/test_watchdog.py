"""What systemd hears of the keeper: it is killed when it hangs, and not when all is slow."""

import pytest
from tests.unit.sessions import Hands

from kubeception.keeper.watchdog import Watchdog
from kubeception.render.keeper import STARTS_WITHIN_S, WATCHDOG_S


def started(hands: Hands) -> tuple[Watchdog, list[str]]:
    said = list[str]()
    watchdog = Watchdog(hands.clock(), said.append)
    watchdog.starts()
    return watchdog, said


def test_a_usual_machine_goes_by_what_the_unit_says() -> None:
    hands = Hands()
    watchdog, said = started(hands)
    hands.sleep(2)
    watchdog.alive()

    assert said == ["WATCHDOG=1"]


def test_a_slow_machine_gets_more_time_before_its_first_word() -> None:
    _, said = started(Hands(slowness=30.0, spent_s=9.0))

    assert said == [
        f"EXTEND_TIMEOUT_USEC={STARTS_WITHIN_S * 30}000000",
        f"WATCHDOG_USEC={WATCHDOG_S * 30}000000",
    ]


def test_a_start_that_took_little_is_not_asked_why() -> None:
    _, said = started(Hands(slowness=30.0, spent_s=0.5))

    assert said == []


@pytest.mark.parametrize(("slowness", "limit_s"), [(4.0, 4 * WATCHDOG_S), (1.0, None)])
def test_a_round_that_took_long_is_asked_why(slowness: float, limit_s: float | None) -> None:
    hands = Hands()
    watchdog, said = started(hands)
    hands.slowness = slowness
    hands.sleep(WATCHDOG_S / 3)
    watchdog.alive()

    more = [f"WATCHDOG_USEC={limit_s:.0f}000000"] if limit_s else []
    assert said == [*more, "WATCHDOG=1"]


def test_once_rounds_are_short_again_the_patience_is_the_units() -> None:
    hands = Hands(slowness=10.0, spent_s=3.0)
    watchdog, said = started(hands)
    said.clear()
    for round_s in (WATCHDOG_S / 3, WATCHDOG_S / 6, 2.0):
        hands.sleep(round_s)
        watchdog.alive()

    assert said == ["WATCHDOG=1", "WATCHDOG=1", f"WATCHDOG_USEC={WATCHDOG_S}000000", "WATCHDOG=1"]
