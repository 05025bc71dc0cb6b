"""A unit that runs with the settings that its environment file has now."""

import re
from dataclasses import dataclass
from pathlib import Path

from kubeception.reach import Reach

_LINE = re.compile(r'^(\w+)="?([^"\n]*)"?$', re.MULTILINE)


@dataclass(frozen=True)
class Settled:
    """A running unit whose process was given what a file says; names that begin with `but` aside.

    It is what the process has that counts, not when the file was written: clocks are set, and not
    every change of a file matters.
    """

    name: str
    environment: Path
    but: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name

    def drift(self, reach: Reach) -> str | None:
        """Say which setting it runs without; a process that nobody can look at has all."""
        given = self._given(reach)
        if given is None:
            return None
        wanted = dict(_LINE.findall(_text(reach.host.real(self.environment))))
        others = sorted(
            name
            for name, value in wanted.items()
            if not name.startswith(self.but) and given.get(name) != value
        )
        return f"runs without {others[0]} of {self.environment}" if others else None

    def apply(self, reach: Reach) -> None:
        """Restart it; waits for the job's end."""
        reach.host.systemd.restart(self.name)

    def _given(self, reach: Reach) -> dict[str, str] | None:
        state = reach.host.systemd.state(self.name)
        if state.active != "active" or self.environment not in state.environment:
            return None
        given = _text(reach.host.proc / str(state.pid) / "environ")
        pairs = (one.partition("=") for one in given.split("\0") if one)
        return {name: value for name, _, value in pairs} if given else None


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
