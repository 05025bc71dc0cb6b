"""When batches may begin: between two times of the day, by the clock of a place. Pure.

A time that is left out when clocks are put forward is as much later on that day; of one that comes
twice, when they are put back, it is the first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"
# What zones are called: never anything that leads out of their folder.
ZONES = "[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*"
UTC_ZONE = "UTC"
_DAY = timedelta(days=1)
# One that is open once a week comes again within so many days, also where a day leaves it out.
_AHEAD = 15


@dataclass(frozen=True)
class Window:
    """From one time to another one, on the next day where that is not later.

    `days` are those on which it begins, all where none is named.
    """

    start: time
    end: time
    zone: str = UTC_ZONE
    days: tuple[str, ...] = ()

    @property
    def spec(self) -> dict[str, Any]:
        """As a ClusterUpgrade has it."""
        days = {"days": list(self.days)} if self.days else {}
        return {
            "start": f"{self.start:%H:%M}",
            "end": f"{self.end:%H:%M}",
            "timeZone": self.zone,
            **days,
        }

    def opening(self, now: datetime) -> datetime | None:
        """Return from when on a batch may begin, from now on; None where nobody knows the zone."""
        zone = zone_of(self.zone)
        if zone is None:
            return None
        today = now.astimezone(zone).date()
        for day in (today + n * _DAY for n in range(-1, _AHEAD)):
            opens = _moment(day, self.start, zone)
            closes = _moment(day if self.end > self.start else day + _DAY, self.end, zone)
            is_one = not self.days or DAYS[day.weekday()] in self.days
            if is_one and max(opens, now) < closes:
                return max(opens, now)
        return None

    def is_open(self, now: datetime) -> bool:
        """Tell whether a batch may begin now."""
        return self.opening(now) == now

    def next_words(self, now: datetime) -> str:
        """Return when a batch may begin, for people, by the clock that they have named."""
        opens, zone = self.opening(now), zone_of(self.zone)
        if opens is None:
            return f"no batch begins: {self.zone!r} is no time zone that is known here"
        return f"the next batch may begin on {opens.astimezone(zone):%a %Y-%m-%d at %H:%M %Z}"

    def __str__(self) -> str:
        days = f" on {', '.join(self.days)}" if self.days else ""
        return f"{self.start:%H:%M}-{self.end:%H:%M} {self.zone}{days}"


def of(spec: Mapping[str, Any]) -> Window:
    """Read what a ClusterUpgrade says of it."""
    return Window(
        time.fromisoformat(spec["start"]),
        time.fromisoformat(spec["end"]),
        spec["timeZone"],
        tuple(spec.get("days", ())),
    )


def zone_of(name: str) -> ZoneInfo | None:
    """Return the time zone of an IANA name, where there is one."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones
        return None


def _moment(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """Return when it is so late there: in UTC, as only there later is more."""
    return datetime.combine(day, clock, zone).astimezone(UTC)
