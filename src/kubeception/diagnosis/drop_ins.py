"""Drop-ins of others with which our units can't do their work, and what takes each out."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from kubeception.config import Config
from kubeception.diagnosis import confinement
from kubeception.files_of_others import FileOfOthers
from kubeception.render import containerd, etcd, keeper, kubelet
from kubeception.session import Session

# Where systemd looks for drop-ins, the first one of a name counts; see systemd.unit(5).
_UNITS = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system")
_OF_PACKAGES = ("/usr/lib/systemd/system", "/lib/systemd/system")
# Drop-ins of all services of a host.
_OF_ALL = "service.d"


def units(*, is_worker: bool) -> tuple[str, ...]:
    """Return the units that a host runs, in the order in which they start."""
    of_control_plane = () if is_worker else (etcd.UNIT,)
    return (*of_control_plane, containerd.UNIT, kubelet.UNIT, keeper.UNIT)


def look(session: Session, *, foreign: Collection[str], is_worker: bool) -> Iterator[FileOfOthers]:
    """Yield the drop-ins that have our units run another command, or confine them.

    `foreign` are units of the host's own, whose drop-ins are its business, but those for all.
    """
    wanted = units(is_worker=is_worker)
    for unit in wanted:
        if unit not in foreign:
            yield from _commands(session, unit)
    found: dict[Path, dict[str, dict[str, str]]] = {}
    for unit in wanted:
        for path, name, value in _confining(session, unit):
            if unit not in foreign or path.parent.name == _OF_ALL:
                found.setdefault(path, {}).setdefault(unit, {})[name] = value
    for path, by_unit in found.items():
        files = {unit: session.host.at(session.config.layout.units / unit) for unit in by_unit}
        there = [unit for unit, at in files.items() if unit in foreign or at.exists()]
        yield _confined(path, by_unit, there)


def _confining(session: Session, unit: str) -> Iterator[tuple[Path, str, str]]:
    """Yield what drop-ins set for a unit that it can't do its work with."""
    counts: dict[str, tuple[Path, str]] = {}
    for path in _of(session, unit):
        lines = re.findall(r"^[ \t]*(\w+)[ \t]*=[ \t]*(.*)$", _text(session, path), re.MULTILINE)
        counts.update((name, (path, value.strip())) for name, value in lines)
    said = {name: value for name, (_, value) in counts.items()}
    for name in confinement.harmful(session.config, unit, said):
        path, value = counts[name]
        yield path, name, value


def _confined(
    path: Path, by_unit: Mapping[str, Mapping[str, str]], there: Sequence[str]
) -> FileOfOthers:
    """Return what confines units, of which some are `there` to be started again."""
    restart = f"; systemctl try-restart {' '.join(there)}" if there else ""
    said = {name: value for settings in by_unit.values() for name, value in settings.items()}
    settings = ", ".join(f"{name}={value}" for name, value in said.items())
    if path.parent.name == _OF_ALL:  # all other services keep it
        folders = [Path(_UNITS[0]) / f"{unit}.d" for unit in by_unit]
        mend = "; ".join(_put_out(folder, path.name) for folder in folders)
    else:
        mend = _taken_out(path)
    return FileOfOthers(
        path,
        f"sets {settings} for {', '.join(by_unit)}, which can't do their work so",
        f"{mend}; systemctl daemon-reload{restart}",
    )


def _commands(session: Session, unit: str) -> Iterator[FileOfOthers]:
    wanted = _wanted(session.config, unit)
    for path in reversed(_of(session, unit)):
        said = re.findall(r"^[ \t]*ExecStart[ \t]*=[ \t]*(.*)$", _text(session, path), re.MULTILINE)
        if not said:
            continue
        if all(part in said[-1] for part in wanted):
            return  # what earlier ones say does not count
        runs = f"run {said[-1].strip()!r}" if said[-1] else "run nothing"
        yield FileOfOthers(
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
    within = (*_UNITS, *_OF_PACKAGES)
    folders = (Path(place) / name for name in (f"{unit}.d", _OF_ALL) for place in within)
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
    return _put_out(Path(_UNITS[0]) / path.parent.name, path.name)


def _put_out(folder: Path, name: str) -> str:
    return f"mkdir -p {folder}; ln -sf /dev/null {folder / name}"
