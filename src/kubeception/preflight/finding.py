"""One thing that is wrong with a host."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from kubeception.preflight.host_state import HostState


class Severity(StrEnum):
    """Whether the work would surely break on it."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """What a check found: its name, in kubeadm's way, what was seen, and what to do.

    `is_final` says that going on in spite of it could lose something, or make it a second time.
    """

    check: str
    problem: str
    hint: str
    severity: Severity = Severity.ERROR
    is_final: bool = False

    def __str__(self) -> str:
        return f"{self.check}: {self.problem}"


Check = Callable[[HostState], Iterator[Finding]]


def warning(check: str, problem: str, hint: str) -> Finding:
    """Return a finding that the work can go on with."""
    return Finding(check, problem, hint, Severity.WARNING)


def of_path(check: str, path: Path) -> str:
    """Return a check's name with the path that it is about, such as `FileContent--etc-hosts`."""
    return f"{check}-{str(path).replace('/', '-')}"
