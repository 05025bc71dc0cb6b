"""The keeper's last verdict, and why a snapshot failed, where `kubeception status` reads it."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kubeception import timestamp
from kubeception.host import files
from kubeception.keeper.trouble import Trouble
from kubeception.keeper.verdict import Verdict

VERDICT = "verdict.json"
FAILED_SNAPSHOT = "failed-snapshot.json"
TROUBLE = "pods-trouble"


@dataclass(frozen=True)
class Record:
    """A verdict, and since when it stands."""

    action: str
    why: str
    since: str


def write(folder: Path, verdict: Verdict, now: datetime) -> None:
    """Keep a verdict; it is gone with the next boot, like what it speaks of."""
    kept = {
        "action": verdict.action.value,
        "why": verdict.why,
        "since": timestamp.text(now),
    }
    files.write(folder / VERDICT, json.dumps(kept) + "\n")


def read(folder: Path) -> Record | None:
    """Return the last verdict, None where no keeper has judged since the boot."""
    try:
        return Record(**json.loads((folder / VERDICT).read_text()))
    except FileNotFoundError:
        return None


def is_gone(folder: Path) -> bool:
    """Tell whether somebody has removed the verdict."""
    return not (folder / VERDICT).exists()


def write_trouble(folder: Path, trouble: Trouble | None) -> None:
    """Keep what no pod of this host reaches; what its host doesn't either, others can ask."""
    said = str(trouble) if trouble and trouble.from_pod else ""
    files.write(folder / TROUBLE, said)


def trouble(folder: Path) -> str | None:
    """Return what no pod of this host reaches, None where all is well or nobody has looked."""
    try:
        return (folder / TROUBLE).read_text() or None
    except FileNotFoundError:
        return None


def failed_snapshot(folder: Path, problem: str, now: datetime) -> None:
    """Keep why the last snapshot of etcd was none."""
    told = {"problem": problem, "since": timestamp.text(now)}
    files.write(folder / FAILED_SNAPSHOT, json.dumps(told) + "\n")


def forget_failed_snapshot(folder: Path) -> None:
    """Forget it: there is a newer one."""
    files.remove(folder / FAILED_SNAPSHOT)


def snapshot_problem(folder: Path) -> str | None:
    """Return why the last snapshot of etcd was none, and since when; None where it was one."""
    try:
        told = json.loads((folder / FAILED_SNAPSHOT).read_text())
    except FileNotFoundError:
        return None
    return f"at {told['since']}: {told['problem']}"
