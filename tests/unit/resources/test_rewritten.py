"""A program of the network is started anew once it has had its time, as the machine gives it."""

import pytest

from kubeception.conditions.node_program import STARTS_WITHIN_S
from kubeception.host.gateway import Clock
from kubeception.resources.rewritten import OfFlannel

USUAL_S = OfFlannel.written_within_s


def unmeasured() -> float:
    raise AssertionError("the machine was measured, which takes it long")


@pytest.mark.parametrize("runs_s", [0.0, USUAL_S - 0.1])
def test_what_has_just_started_is_given_its_time_and_nothing_is_measured(runs_s: float) -> None:
    assert not OfFlannel().is_overdue(Clock(slowness=unmeasured), runs_s)


def test_a_slow_machine_gives_it_more() -> None:
    assert OfFlannel().is_overdue(Clock(slowness=lambda: 1.0), USUAL_S + 1)
    assert not OfFlannel().is_overdue(Clock(slowness=lambda: 2.0), USUAL_S + 1)
    assert OfFlannel().is_overdue(Clock(slowness=lambda: 2.0), USUAL_S * 2 + 1)


def test_none_gives_it_more_than_a_start_takes_anywhere() -> None:
    assert OfFlannel().is_overdue(Clock(slowness=unmeasured), STARTS_WITHIN_S)
