"""Drop-ins of others that have a unit of ours run something else, with what takes each out."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from kubeception.config import Config
from kubeception.render import containerd, etcd, keeper, kubelet
from kubeception.session import Session

# Where systemd looks for drop-ins, the first one of a name counts; see systemd.unit(5).
_UNITS = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system")
_OF_PACKAGES = ("/usr/lib/systemd/system", "/lib/systemd/system")


@dataclass(frozen=True)
class DropIn:
    """A drop-in that a unit of ours does not come up with, why, and what takes it out."""

    path: Path
    problem: str
    hint: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


def units(*, is_worker: bool) -> tuple[str, ...]:
    """Return the units that a host runs, in the order in which they start."""
    of_control_plane = () if is_worker else (etcd.UNIT,)
    return (*of_control_plane, containerd.UNIT, kubelet.UNIT, keeper.UNIT)


def look(session: Session, *, foreign: Collection[str], is_worker: bool) -> Iterator[DropIn]:
    """Yield the drop-ins of our units that have them run another command than theirs.

    `foreign` are units of the host's own, whose commands are its business.
    """
    for unit in units(is_worker=is_worker):
        if unit not in foreign:
            yield from _commands(session, unit)


def _commands(session: Session, unit: str) -> Iterator[DropIn]:
    wanted = _wanted(session.config, unit)
    for path in reversed(_of(session, unit)):
        said = re.findall(r"^[ \t]*ExecStart[ \t]*=[ \t]*(.*)$", _text(session, path), re.MULTILINE)
        if not said:
            continue
        if all(part in said[-1] for part in wanted):
            return  # what earlier ones say does not count
        runs = f"run {said[-1].strip()!r}" if said[-1] else "run nothing"
        yield DropIn(
            path,
            f"has {unit}, when it next starts, {runs} in place of {' … '.join(wanted)}",
            f"{_taken_out(path)}; systemctl daemon-reload",
        )


def _wanted(config: Config, unit: str) -> tuple[str, ...]:
    """Return what has to stand in a unit's command, whatever a user puts before and behind it."""
    at = config.layout
    return {
        containerd.UNIT: (f"{at.launchers}/containerd", str(at.containerd.settings)),
        etcd.UNIT: (f"{at.launchers}/etcd", str(at.etcd.data)),
        kubelet.UNIT: (f"{at.launchers}/kubelet", kubelet.ARGUMENTS),
        keeper.UNIT: (f"kubeception {keeper.COMMAND}",),
    }[unit]


def _of(session: Session, unit: str) -> list[Path]:
    """Return a unit's drop-ins by name, as systemd reads them, of those of one name the one."""
    folders = (Path(folder) / f"{unit}.d" for folder in (*_UNITS, *_OF_PACKAGES))
    counts: dict[str, Path] = {}
    for folder in folders:
        found = session.host.real(folder)
        for path in found.glob("*.conf") if found.is_dir() else ():
            counts.setdefault(path.name, folder / path.name)
    return [counts[name] for name in sorted(counts)]


def _text(session: Session, path: Path) -> str:
    """Return what a drop-in says, each setting on one line."""
    try:
        said = session.host.real(path).read_text(errors="replace")
    except OSError:
        return ""
    return said.replace("\\\n", " ")


def _taken_out(path: Path) -> str:
    """Return the command that takes a drop-in out; one of a package comes back with that."""
    if str(path.parent.parent) not in _OF_PACKAGES:
        return f"rm {path}"
    over = Path(_UNITS[0]) / path.parent.name
    return f"mkdir -p {over}; ln -sf /dev/null {over / path.name}"
