"""When a batch may begin, by clocks that are put forward and back, too."""

import subprocess
import sys
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from kubeception.render.window import DAYS, Window, of, zone_of

BERLIN = "Europe/Berlin"


def window(text: str, *days: str, zone: str = "UTC") -> Window:
    start, end = map(time.fromisoformat, text.split("-"))
    return Window(start, end, zone, days)


def moment(text: str) -> datetime:
    """Return a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NIGHT = window("22:00-04:00")
IN_BERLIN = window("22:00-04:00", zone=BERLIN)
EARLY = window("02:30-05:00", zone=BERLIN)
WEEKENDS = window("22:00-04:00", "Sat", "Sun")

# 2026-03-01 is a Sunday. In Berlin 02:00 is 03:00 on 03-29, and 03:00 is 02:00 on 10-25.
OPENS = {
    "open since just now": (NIGHT, "2026-03-02 22:00", "2026-03-02 22:00"),
    "not a moment before": (NIGHT, "2026-03-02 21:59:59", "2026-03-02 22:00"),
    "past midnight": (NIGHT, "2026-03-03 03:59:59", "2026-03-03 03:59:59"),
    "not at its end": (NIGHT, "2026-03-03 04:00", "2026-03-03 22:00"),
    "at midnight itself": (NIGHT, "2026-03-03 00:00", "2026-03-03 00:00"),
    "from midnight on": (window("00:00-06:00"), "2026-03-02 23:59", "2026-03-03 00:00"),
    "to midnight": (window("20:00-00:00"), "2026-03-02 23:59", "2026-03-02 23:59"),
    "and no longer": (window("20:00-00:00"), "2026-03-03 00:00", "2026-03-03 20:00"),
    "within a day": (window("09:00-17:00"), "2026-03-02 18:00", "2026-03-03 09:00"),
    "all day": (window("06:00-06:00"), "2026-03-02 05:59", "2026-03-02 05:59"),
    "on its day": (WEEKENDS, "2026-03-02 12:00", "2026-03-07 22:00"),
    "past midnight of its day": (WEEKENDS, "2026-03-02 03:00", "2026-03-02 03:00"),
    "not past midnight of another": (WEEKENDS, "2026-03-07 03:00", "2026-03-07 22:00"),
    "once a week": (window("22:00-04:00", "Sun"), "2026-03-02 04:00", "2026-03-08 22:00"),
    "a whole day of the week": (
        window("00:00-00:00", "Sun"),
        "2026-03-02 00:00",
        "2026-03-08 00:00",
    ),
    "by the clock there": (IN_BERLIN, "2026-01-10 20:30", "2026-01-10 21:00"),
    "in summer, too": (IN_BERLIN, "2026-07-10 19:30", "2026-07-10 20:00"),
    "on the day that it is there": (
        window("00:30-02:00", "Mon", zone=BERLIN),
        "2026-03-01 23:15",
        "2026-03-01 23:30",
    ),
    "in a night that is shorter": (IN_BERLIN, "2026-03-29 01:59", "2026-03-29 01:59"),
    "whose end comes sooner": (IN_BERLIN, "2026-03-29 02:00", "2026-03-29 20:00"),
    "in one that is longer": (IN_BERLIN, "2026-10-25 02:59", "2026-10-25 02:59"),
    "whose end comes later": (IN_BERLIN, "2026-10-25 03:00", "2026-10-25 21:00"),
    "at a time that is left out": (EARLY, "2026-03-29 00:30", "2026-03-29 01:30"),
    "at the first of two": (EARLY, "2026-10-25 00:29", "2026-10-25 00:30"),
    "through the second": (EARLY, "2026-10-25 01:45", "2026-10-25 01:45"),
    "to the first of two": (
        window("01:00-02:30", zone=BERLIN),
        "2026-10-25 00:30",
        "2026-10-26 00:00",
    ),
    "none in an hour that is left out": (
        window("02:30-03:00", zone=BERLIN),
        "2026-03-29 00:00",
        "2026-03-30 00:30",
    ),
    "not once in two weeks then": (
        window("02:30-03:00", "Sun", zone=BERLIN),
        "2026-03-22 02:00",
        "2026-04-05 00:30",
    ),
    "where a day is skipped": (
        window("10:00-12:00", zone="Pacific/Apia"),
        "2011-12-30 09:00",
        "2011-12-30 20:00",
    ),
}


@pytest.mark.parametrize(("when", "now", "opens"), OPENS.values(), ids=OPENS.keys())
def test_when_a_batch_may_begin(when: Window, now: str, opens: str) -> None:
    assert when.opening(moment(now)) == moment(opens)
    assert when.is_open(moment(now)) is (now == opens)
    assert when.is_open(moment(opens))


@pytest.mark.parametrize("text", ["22:00-04:00", "09:00-17:00", "02:30-02:45", "00:00-00:00"])
@pytest.mark.parametrize("zone", ["UTC", BERLIN, "America/St_Johns", "Pacific/Apia"])
@pytest.mark.parametrize("days", [(), ("Sat", "Sun"), ("Wed",)])
def test_through_a_whole_year_it_opens_when_clocks_there_say_so(
    text: str, zone: str, days: tuple[str, ...]
) -> None:
    """By another way to tell it: the time as it is called there, and the day."""
    when, there = window(text, *days, zone=zone), ZoneInfo(zone)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    # At each quarter of an hour once in seven days, which is often enough.
    moments = [begin + timedelta(minutes=105 * n) for n in range(365 * 96 // 7)]
    wrong = []
    for now in moments:
        said = now.astimezone(there)
        is_late = said.time() >= when.start
        day = said.date() if when.end > when.start or is_late else said.date() - timedelta(days=1)
        is_day = not days or DAYS[day.weekday()] in days
        is_time = (
            when.start <= said.time() < when.end
            if when.end > when.start
            else is_late or said.time() < when.end
        )
        if when.is_open(now) is not (is_day and is_time):
            wrong.append(said)
    # Where clocks change, times are left out or come twice: on two days of the year.
    assert {one.date() for one in wrong} <= _days_of_change(moments, there)


def _days_of_change(moments: list[datetime], there: ZoneInfo) -> set[object]:
    offsets = [(one.astimezone(there).utcoffset(), one.astimezone(there).date()) for one in moments]
    return {day for (a, _), (b, day) in pairwise(offsets) if a != b}


@pytest.mark.parametrize("name", ["Europe/Nowhere", "Europe", "../etc/passwd", "/etc/passwd", ""])
def test_a_zone_that_nobody_knows_never_opens_and_says_so(name: str) -> None:
    assert zone_of(name) is None
    when = window("22:00-04:00", zone=name)

    assert when.opening(moment("2026-03-01 23:00")) is None
    assert not when.is_open(moment("2026-03-01 23:00"))
    said = when.next_words(moment("2026-03-01 23:00"))
    assert said == f"no batch begins: {name!r} is no time zone that is known here"


def test_zones_are_known_where_a_host_has_none() -> None:
    """As in our image."""
    asked = f"from kubeception.render.window import zone_of; print(zone_of({BERLIN!r}))"
    done = subprocess.run(
        [sys.executable, "-c", asked],
        env={"PYTHONTZPATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == f"{BERLIN}\n"


def test_people_are_told_by_their_own_clock() -> None:
    said = window("22:00-04:00", "Sat", zone=BERLIN).next_words(moment("2026-07-01 12:00"))

    assert said == "the next batch may begin on Sat 2026-07-04 at 22:00 CEST"


@pytest.mark.parametrize("when", [WEEKENDS, IN_BERLIN])
def test_what_is_written_down_is_read_as_it_was(when: Window) -> None:
    assert of(when.spec) == when
