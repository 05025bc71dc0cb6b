"""When the next snapshot is due, by the age of the last one."""

from datetime import timedelta

import pytest

from kubeception.keeper.hourly import due_in

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (None, timedelta(0)),
        (timedelta(0), HOUR),
        (timedelta(minutes=20), timedelta(minutes=40)),
        (HOUR, timedelta(0)),
        (timedelta(days=3), timedelta(0)),
        (-timedelta(days=300), timedelta(0)),
    ],
    ids=["none yet", "just now", "a while ago", "an hour ago", "long ago", "of the future"],
)
def test_the_next_is_due_an_hour_after_the_last(age: timedelta | None, expected: timedelta) -> None:
    assert due_in(age, HOUR) == expected
