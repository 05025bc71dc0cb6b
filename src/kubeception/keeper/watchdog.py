"""systemd's patience with the keeper: as much more than usual as this machine is slow.

Otherwise a look that takes longer than the unit's watchdog allows would be the last, each time.
"""

from collections.abc import Callable
from dataclasses import dataclass

from kubeception.host.gateway import Clock
from kubeception.host.notify import notify
from kubeception.render.keeper import STARTS_WITHIN_S, WATCHDOG_S

# A round that takes longer than this makes one wonder; a shorter one than that no more.
_LONG_S, _SHORT_S = WATCHDOG_S / 4, WATCHDOG_S / 8
# What a keeper has had of a processor by its start: a third of a second on a usual machine.
_QUICK_S = 1.5


@dataclass
class Watchdog:
    """Says to systemd that the keeper is alive, and how long its next word may take."""

    clock: Clock
    say: Callable[[str], None] = notify
    _limit_s: float = WATCHDOG_S
    _said_s: float = 0.0

    def starts(self) -> None:
        """Ask for the time that a start takes here."""
        # To measure it takes a processor, too.
        slowness = self.clock.slowness() if self.clock.spent() > _QUICK_S else 1.0
        self._said_s, self._limit_s = self.clock.monotonic(), WATCHDOG_S * slowness
        if slowness > 1:
            self.say(f"EXTEND_TIMEOUT_USEC={_usec(STARTS_WITHIN_S * slowness)}")
            self.say(f"WATCHDOG_USEC={_usec(self._limit_s)}")

    def alive(self) -> None:
        """Say that a round has come to its end."""
        now_s = self.clock.monotonic()
        took_s, self._said_s = now_s - self._said_s, now_s
        limit_s = self._limit_s
        if took_s > _LONG_S:
            limit_s = WATCHDOG_S * self.clock.slowness()
        elif took_s < _SHORT_S:
            limit_s = WATCHDOG_S
        if limit_s != self._limit_s:
            self._limit_s = limit_s
            self.say(f"WATCHDOG_USEC={_usec(limit_s)}")
        self.say("WATCHDOG=1")


def _usec(seconds: float) -> int:
    return int(seconds * 1_000_000)
