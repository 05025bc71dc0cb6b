"""What was measured, as docs/recovery.json keeps it: all that the page and picture are made of."""

import re
from dataclasses import dataclass, field, replace
from statistics import median

import msgspec
from tests.lab import timeline
from tests.lab.timeline import Span

_LINE = re.compile(r" *[A-Z]+ \S+Z: kubeception::(?P<module>[\w:]+): (?P<words>.*)")
_MODULES = ("keeper", "door")
# What the keeper says after every fault tells nothing of this one.
_USUAL = re.compile(r"nothing: |starting the keeper|bootstrap: ended with exit code 0")


@dataclass(frozen=True)
class Act:
    """A line of the keeper's journal, and when it was written, in seconds since the fault."""

    at_s: float
    line: str

    @property
    def words(self) -> str:
        """What it says of the fault, or nothing if it would be said of any."""
        found = _LINE.fullmatch(self.line)
        if not found or found["module"] not in _MODULES or _USUAL.match(found["words"]):
            return ""
        return f"door {found['words']}" if found["module"] == "door" else found["words"]


@dataclass(frozen=True)
class Run:
    """One time that a fault was injected; seconds count from when that began.

    `well_s` alone counts from the injection's end; it is None where `problems` were left. `words`
    say what was drawn by lot. Where the host itself went off, `acknowledged` writes went before.
    `load` is the machine's load average of the minute at the end.
    """

    injected_s: float
    well_s: float | None
    requests: int
    slowest_s: float
    spans: list[Span]
    acts: list[Act]
    replaced: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    words: str = ""
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    load: float = 0.0

    @property
    def gap_s(self) -> float:
        """For how long at most there was no API."""
        return timeline.gap_s(self.spans)

    @property
    def failed(self) -> int:
        """How many requests failed."""
        return timeline.failed(self.spans)


@dataclass(frozen=True)
class Case:
    """A fault, its limits, and each time that it was injected."""

    name: str
    day: str
    gap_limit_s: float
    well_limit_s: float
    runs: list[Run]

    def worst(self) -> Run:
        """Return the run that was well last, or never."""
        return max(self.runs, key=lambda run: float("inf") if run.well_s is None else run.well_s)

    def gaps_s(self) -> tuple[float, float]:
        """Return the median and the longest gap."""
        gaps = [run.gap_s for run in self.runs]
        return median(gaps), max(gaps)

    def wells_s(self) -> tuple[float, float] | None:
        """Return the median and the longest time until all was well; None if it never was once."""
        wells = [run.well_s for run in self.runs if run.well_s is not None]
        return (median(wells), max(wells)) if len(wells) == len(self.runs) else None

    def holds(self) -> bool:
        """Whether every run kept to the limits and lost nothing."""
        wells = self.wells_s()
        is_in_time = wells is not None and wells[1] <= self.well_limit_s
        return (
            is_in_time
            and self.gaps_s()[1] <= self.gap_limit_s
            and not any(run.lost for run in self.runs)
        )


@dataclass(frozen=True)
class Figures:
    """All that was measured on one machine."""

    machine: str
    command: str
    cases: list[Case]

    def having(self, case: Case) -> "Figures":
        """Return these figures with one more case, in its old place if it was there."""
        names = [one.name for one in self.cases]
        if case.name not in names:
            return replace(self, cases=[*self.cases, case])
        return replace(self, cases=[case if c.name == case.name else c for c in self.cases])


def load(text: str) -> Figures:
    """Read figures from JSON."""
    return msgspec.json.decode(text, type=Figures)


def dump(figures: Figures) -> str:
    """Write figures as JSON."""
    return msgspec.json.format(msgspec.json.encode(figures), indent=1).decode() + "\n"
