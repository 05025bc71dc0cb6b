"""Of the files for which a run has no time some are drawn: how long all take is kept to."""

import pytest
from tests.lab import lot

MINUTES = {"a": 1, "b": 2, "c": 3, "d": 4}


def test_what_is_drawn_fits_and_everything_is_drawn_by_some_seed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lot, "IS_SOAK", False)
    drawn = set[frozenset[str]]()
    for seed in range(100):
        monkeypatch.setattr(lot, "SEED", seed)
        drawn.add(lot.within(5, MINUTES, always=["a"]))

    assert drawn == {frozenset("ab"), frozenset("ac"), frozenset("ad")}


def test_where_there_is_time_all_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lot, "IS_SOAK", False)
    assert lot.within(10, MINUTES, always=[]) == MINUTES.keys()

    monkeypatch.setattr(lot, "IS_SOAK", True)
    assert lot.within(0, MINUTES, always=["a"]) == MINUTES.keys()
