"""How slow a machine is, by the time that a short piece of work takes."""

import pytest

from kubeception import pace


@pytest.mark.parametrize(
    ("took_s", "slowness"),
    [(0.01, 1), (0.05, 1), (0.14, 1), (0.16, 1.6), (0.2, 2), (1.0, 10), (60.0, 30)],
)
def test_a_machine_is_slow_that_needs_three_times_as_long(took_s: float, slowness: float) -> None:
    assert pace.of(took_s) == pytest.approx(slowness)


def test_it_is_measured() -> None:
    assert 1 <= pace.slowness() <= pace.MOST
