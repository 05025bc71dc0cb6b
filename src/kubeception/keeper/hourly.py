"""Snapshots of etcd at regular times, each by a process of its own, for which nobody waits."""

import logging
import subprocess
import sys
from datetime import timedelta

from kubeception.keeper import record
from kubeception.keeper.verdict import Action, Observation, Verdict
from kubeception.kept import snapshots
from kubeception.kept.snapshots import Kind
from kubeception.session import Session

log = logging.getLogger("kubeception.keeper")

# After one that failed; a disk that is full, say, is not emptied at once.
AGAIN = timedelta(minutes=5)


def due_in(age: timedelta | None, every: timedelta) -> timedelta:
    """Return when the next one is due, by the age of the last one; None for none.

    One that is of the future was made by another clock, and says nothing.
    """
    if age is None or age < timedelta(0):
        return timedelta(0)
    return max(timedelta(0), every - age)


class Hourly:
    """Remembers when the next one is due, and which process makes it now."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._every = session.config.etcd.snapshots_every
        self._child: subprocess.Popen[str] | None = None
        if self._every is not None:
            self._put_off(due_in(self._age(), self._every))

    def look(self, seen: Observation, verdict: Verdict) -> None:
        """Begin one where it is due and etcd is well, and tell what became of the last one."""
        if self._every is None:
            return
        is_quiet = verdict.action in {Action.NOTHING, Action.WAIT} and not seen.etcd_problem
        if self._child is not None:
            self._tell(self._child, self._every)
        elif is_quiet and self._session.host.clock.monotonic() >= self._due_s:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "kubeception", "etcd", "snapshot", "--by-keeper"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )

    def _tell(self, child: "subprocess.Popen[str]", every: timedelta) -> None:
        if child.poll() is None:
            return
        _, words = child.communicate()
        self._child = None
        self._put_off(min(every, AGAIN) if child.returncode else every)
        folder = self._session.layout.keeper
        if child.returncode == 0:
            record.forget_failed_snapshot(folder)
            return
        said = words.strip().splitlines() or [f"exit code {child.returncode}"]
        problem = "; ".join(line.removeprefix("error: ") for line in said)
        log.warning("snapshot of etcd: %s", problem)
        record.failed_snapshot(folder, problem, self._session.host.clock.now())

    def _put_off(self, by: timedelta) -> None:
        self._due_s = self._session.host.clock.monotonic() + by.total_seconds()

    def _age(self) -> timedelta | None:
        there = snapshots.of_kind(Kind.HOURLY, snapshots.look(self._session.layout.snapshots))
        return self._session.host.clock.now() - there[0].taken if there else None
