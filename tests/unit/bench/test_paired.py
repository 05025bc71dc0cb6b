"""Versions are compared in pairs: what is left to measure, and how sure a ratio is."""

import json
import random
from math import inf

import pytest
from bench.paired import SIDES, Measured, left, ratios, read, table
from bench.pairs import ratio
from bench.version import cpu_s


def lines(*measured: Measured) -> str:
    return "".join(json.dumps(vars(one)) + "\n" for one in measured)


def test_what_was_measured_is_not_measured_again() -> None:
    every = list(left([], rounds=3, names="a-b"))
    known = [Measured(number, side, "a", {}) for number, side in every[:3]]

    assert list(left(known, rounds=3, names="a-b")) == every[3:]
    assert sorted(every) == sorted((number, side) for number in (1, 2, 3) for side in SIDES)


def test_either_version_is_the_first_of_a_round_at_times() -> None:
    firsts = [side for _, side in left([], rounds=20, names="a-b")][::2]

    assert set(firsts) == set(SIDES)


def test_half_a_line_of_a_run_that_was_killed_is_none() -> None:
    one, other = (Measured(1, side, "a", {"s": 1.0}) for side in SIDES)

    assert read(lines(one, other)[:-5]) == [one]
    assert read(lines(one, other)) == [one, other]
    assert read("") == []


def test_only_whole_pairs_count() -> None:
    known = [Measured(1, "before", "a", {"s": 2.0}), Measured(1, "after", "b", {"s": 1.0})]
    alone = Measured(2, "after", "b", {"s": 9.0})

    assert ratios([*known, alone])["s"].middle == 0.5
    assert ratios([alone]) == {}
    assert list(table(ratios(known)))[2] == "| s | 2.00 | 1.00 | 0.500 | needs five pairs | 1 |"


@pytest.mark.parametrize(
    ("pairs", "low", "high", "confidence"),
    [(4, None, None, None), (5, 1, 5, 0.9375), (8, 2, 7, 0.9297), (10, 2, 9, 0.9785)],
)
def test_a_bound_is_the_sign_tests(
    pairs: int, low: float | None, high: float | None, confidence: float | None
) -> None:
    """As tables of the binomial distribution have it."""
    after = [float(number + 1) for number in range(pairs)]
    random.Random(1).shuffle(after)

    found = ratio([1.0] * pairs, after)

    assert (found.low, found.high) == (low, high)
    assert found.confidence == (confidence and pytest.approx(confidence, abs=1e-4))


def test_a_bound_holds_as_often_as_it_says() -> None:
    chance = random.Random(7)
    held = 0
    for _ in range(1000):
        found = ratio([1.0] * 10, [chance.lognormvariate(0.1, 0.5) for _ in range(10)])
        held += (found.low or inf) <= 2.718281828**0.1 <= (found.high or -inf)

    assert 0.96 < held / 1000 < 0.995


def test_what_a_shell_says_of_its_children_is_read() -> None:
    assert cpu_s("1m2.50s 0m0.25s") == 62.75
    assert cpu_s("0m0.010000s 0m0.020000s") == pytest.approx(0.03)
