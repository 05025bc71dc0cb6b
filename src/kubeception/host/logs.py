"""The last lines that a unit or a container logged before it failed, made fit to read."""

import json
import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from kubeception.errors import KubeceptionError
from kubeception.host.process import run

COUNT = 5
# Enough to reach behind the stack traces of a program that panicked.
READ = 200
_WIDTH = 300
_TIMEOUT_S = 10.0

# What the container runtime puts before each line: time, stream, whole or partial.
_CONTAINER_PREFIX = re.compile(r"^\S+ (stdout|stderr) [FP] ")
# What a Kubernetes program puts before each line: level and day, time, thread.
_WHEN = re.compile(r"^[IWEF]\d{4} [\d:.]+\s+\d+ ")
# Of a Go program's panic only the first line says anything to whoever runs it.
_TRACE = re.compile(r"^(\s|goroutine \d|created by |panic\(|runtime\.|main\.|[\w./-]+/\S+\(.*\)$)")


def of_unit(unit: str, *, root: Path | None = None) -> tuple[str, ...]:
    """Return what a unit's own processes said last in this boot, or what systemd said of them.

    `root` is where the host's journalctl is to be found, from within a container.
    """
    # What a program that has just ended said last may be on its way yet.
    _journalctl("--sync", root=root)
    own = _journal(f"_SYSTEMD_UNIT={unit}", root)
    return last(own) or last(_journal(f"--unit={unit}", root))


def of_container(folder: Path, *, since: datetime | None = None) -> tuple[str, ...]:
    """Return what a container said last, or since then; there is a file for each of its starts."""
    # The newest may be empty yet.
    for file in sorted(folder.glob("*.log"), key=_number, reverse=True):
        lines = file.read_text(errors="replace").splitlines()[-READ:]
        some = lines if since is None else [line for line in lines if _was_said(line, since)]
        if said := last(_CONTAINER_PREFIX.sub("", line) for line in some):
            return said
    return ()


def _was_said(line: str, since: datetime) -> bool:
    """Tell whether the runtime has put a line down since then."""
    try:
        return datetime.fromisoformat(line.partition(" ")[0]) >= since
    except (ValueError, TypeError):
        return False


def last(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the last few lines that say something, JSON ones as words, repeated ones once."""
    said: dict[str, str] = {}
    for line in lines:
        if line.strip() and not _TRACE.match(line):
            text = _plain(line)[:_WIDTH]
            what = _WHEN.sub("", text)
            said.pop(what, None)  # it counts where it was said last
            said[what] = text
    return tuple(said.values())[-COUNT:]


def _journal(selection: str, root: Path | None) -> list[str]:
    return _journalctl("--output=cat", f"--lines={READ}", "--boot", selection, root=root)


def _journalctl(*words: str, root: Path | None) -> list[str]:
    argv = ["journalctl", "--quiet", "--no-pager", *words]
    try:
        done = run(argv, check=False, timeout=_TIMEOUT_S, root=root)
    except KubeceptionError:  # a container without its host's files has no journalctl
        return []
    return done.stdout.splitlines()


def _plain(line: str) -> str:
    """Return etcd's way of logging, an object a line, as `level: message: error`."""
    if not line.startswith("{"):
        return line.rstrip()
    try:
        said = json.loads(line)
        words = [said["level"], said["msg"], said.get("error")]
    except (ValueError, KeyError, TypeError):
        return line.rstrip()
    return ": ".join(str(word) for word in words if word)


def _number(path: Path) -> int:
    return int(path.stem) if path.stem.isdigit() else -1
