"""A unit that runs with the settings that its environment file has now."""

import re
from dataclasses import dataclass
from pathlib import Path

from kubeception.session import Session

_LINE = re.compile(r'^(\w+)="?([^"\n]*)"?$', re.MULTILINE)


@dataclass(frozen=True)
class Settled:
    """A running unit whose process was given what a file says; names that begin with `but` aside.

    Of names that begin with `prefix` it was given no others: what the file said before is over.
    It is what the process has that counts, not when the file was written: clocks are set, and not
    every change of a file matters. What a drop-in's own file sets too is its author's to say.
    """

    name: str
    environment: Path
    but: tuple[str, ...] = ()
    prefix: str = ""

    def __str__(self) -> str:
        return self.name

    def drift(self, session: Session) -> str | None:
        """Say which setting it runs without; a process that nobody can look at has all."""
        state = session.host.systemd.state(self.name)
        if state.active != "active" or self.environment not in state.environment:
            return None
        given = _environment(session.host.proc / str(state.pid))
        if not given:
            return None
        by_others = {
            name
            for path in state.environment
            if path != self.environment
            for name in _settings(session, path)
        }
        wanted = _settings(session, self.environment)
        left = {name for name in given if self.prefix and name.startswith(self.prefix)}
        for name in sorted({*wanted, *(left - {*state.variables})} - by_others):
            if not name.startswith(self.but) and given.get(name) != wanted.get(name):
                how = "without" if name in wanted else "still with"
                return f"runs {how} {name} of {self.environment}"
        return None

    def apply(self, session: Session) -> None:
        """Restart it; waits for the job's end."""
        session.host.systemd.restart(self.name)


def _settings(session: Session, path: Path) -> dict[str, str]:
    return dict(_LINE.findall(_text(session.host.real(path))))


def _environment(process: Path) -> dict[str, str]:
    pairs = (one.partition("=") for one in _text(process / "environ").split("\0") if one)
    return {name: value for name, _, value in pairs}


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
