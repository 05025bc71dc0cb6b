"""A machine that has far more to do than it can is told apart from one that is busy."""

import pytest

from kubeception.host import overload


@pytest.mark.parametrize(("load", "cores"), [(0.0, 1), (5.9, 1), (11.9, 2), (90.0, 16)])
def test_a_busy_machine_is_not_overloaded(load: float, cores: int) -> None:
    assert overload.of(load, cores) is None


@pytest.mark.parametrize(("load", "cores"), [(6.0, 1), (120.0, 2), (100.0, 16)])
def test_an_overloaded_machine_is_told_with_its_load(load: float, cores: int) -> None:
    assert f"load average of {load:.0f} on {cores} cores" in str(overload.of(load, cores))
