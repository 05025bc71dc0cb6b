"""A unit is wanted to run the program that the bundle in use has, not one of a bundle before it."""

import filecmp
from dataclasses import dataclass
from pathlib import Path

from kubeception.session import Session

_OF_SYSTEMD = frozenset({"systemd", "systemd-executor"})
_RUN_WITHIN_S, _LOOK_EVERY_S = 30.0, 0.02


@dataclass(frozen=True)
class CurrentProgram:
    """A unit that, where it runs, runs what is at a path now, byte for byte."""

    unit: str
    program: Path
    is_killed: bool = False
    """It may be ended without a warning."""

    def __str__(self) -> str:
        return self.unit

    def drift(self, session: Session) -> str | None:
        """Say that it runs another program, or the same one as it was."""
        state = session.host.systemd.state(self.unit)
        if state.active != "active" or not state.pid:
            return None
        runs = session.host.proc / str(state.pid) / "exe"
        wanted = session.host.real(self.program)
        try:
            _wait_until_run(session, runs)
            is_same = runs.samefile(wanted) or filecmp.cmp(runs, wanted, shallow=False)
        except FileNotFoundError:  # it has ended meanwhile, or the host has no such program
            return None
        return None if is_same else f"it runs another {self.program.name} than {self.program}"

    def apply(self, session: Session) -> None:
        """Restart it; waits for the job's end."""
        if self.is_killed:
            session.host.systemd.kill(self.unit)
        session.host.systemd.restart(self.unit)


def _wait_until_run(session: Session, exe: Path) -> None:
    """Wait for the process to run its program: until then it is systemd's own, a moment.

    The job that starts a unit of `Type=simple` ends when the process is there (systemd.service(5)).
    """
    clock = session.host.clock
    ends_s = clock.monotonic() + _RUN_WITHIN_S
    while exe.readlink().name in _OF_SYSTEMD and clock.monotonic() < ends_s:
        clock.sleep(_LOOK_EVERY_S)
