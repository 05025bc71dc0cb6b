"""The cgroups of lab hosts, in every hierarchy of version 1 or in the one of version 2."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from kubeception.errors import WaitTimeout
from kubeception.host import kernel
from kubeception.lab.waiting import wait_for

ROOT = Path("/sys/fs/cgroup")
# A file of version 1 and one of version 2, and what is written there.
_FREEZERS = (("freezer.state", "FROZEN", "THAWED"), ("cgroup.freeze", "1", "0"))
# After so long a freezer that is stuck is asked anew, and then after ever more: a machine that is
# overloaded takes its time to stop them all.
_ASKED_AFTER_S = 1.0


class _Freezer(NamedTuple):
    """A file, and what to write to it."""

    file: Path
    frozen: str
    thawed: str


def make(cgroup: Path) -> list[Path]:
    """Make a cgroup in each hierarchy and return the files that take in a process."""
    for root in _hierarchies():
        while not (root / cgroup).exists():
            # Another lab that is taken down may remove the one above them all meanwhile.
            with contextlib.suppress(FileNotFoundError):
                _make_below(root, cgroup)
    return [root / cgroup / "cgroup.procs" for root in _hierarchies()]


def _make_below(root: Path, cgroup: Path) -> None:
    folder = root
    for part in cgroup.parts:
        if kernel.cgroup_version() == 2:
            _pass_on_controllers(folder)
        folder /= part
        folder.mkdir(exist_ok=True)
        if (folder / "cpuset.cpus").exists() and kernel.cgroup_version() == 1:
            _copy_cpuset(folder)


def of(pid: int) -> list[Path]:
    """Return the files that take a process into the cgroups that another one is in."""
    return [root / path / "cgroup.procs" for root, path in _memberships(pid)]


def entering(entries: Sequence[Path], argv: Sequence[str]) -> list[str]:
    """Return a command line that enters cgroups, by the files that take it in, and becomes another.

    A shell does it, since Python can't safely run code between fork and exec. It fails where the
    cgroups are gone, so that nothing starts outside of them.
    """
    script = 'while [ "$1" != -- ]; do echo $$ >"$1"; shift; done; shift; exec "$@"'
    return ["sh", "-ec", script, "sh", *map(str, entries), "--", *argv]


def freeze(cgroup: Path, *, timeout_s: float = 60) -> None:
    """Stop every process in a cgroup and below it where it stands, and wait until they do.

    One that waits for a disk stops when it has its answer. The freezer of version 1 may be stuck
    where a process joins meanwhile, and has to be asked anew, as runc does it. Where that is of no
    use either, all of them go on.

    Raises:
        WaitTimeout: one of them did not stop.
    """
    freezers = _freezer(cgroup)
    asked_s, patience_s = 0.0, _ASKED_AFTER_S / 2

    def problem() -> str | None:
        nonlocal asked_s, patience_s
        if time.monotonic() - asked_s > patience_s:
            _thaw(cgroup)
            for freezer in freezers:
                freezer.file.write_text(freezer.frozen)
            asked_s, patience_s = time.monotonic(), 2 * patience_s
        return None if all(_is_frozen(freezer.file) for freezer in freezers) else "it moves"

    try:
        wait_for(f"cgroup {cgroup} to freeze", problem, timeout_s=timeout_s, pause_s=0.001)
    except WaitTimeout:
        _thaw(cgroup)
        raise


def _thaw(cgroup: Path) -> None:
    """Let killed processes end: a frozen one would be killed only then."""
    for freezer in _freezer(cgroup):
        with contextlib.suppress(FileNotFoundError):
            freezer.file.write_text(freezer.thawed)


def _freezer(cgroup: Path) -> "list[_Freezer]":
    """Return what freezes a cgroup, nothing where there is none.

    Beside the hierarchies of version 1 there may be one of version 2 without controllers; whoever
    is frozen by the one is never so for the other.
    """
    return [
        _Freezer(root / cgroup / name, frozen, thawed)
        for name, frozen, thawed in _FREEZERS
        for root in _hierarchies()
        if (root / cgroup / name).exists()
    ][:1]


def _is_frozen(file: Path) -> bool:
    if file.name == "freezer.state":
        return file.read_text().strip() == "FROZEN"
    return "frozen 1" in file.with_name("cgroup.events").read_text()


def clear(cgroup: Path, *, timeout_s: float = 60) -> None:
    """Kill whatever is in a cgroup and remove it with all below it, deepest first.

    A real reboot empties them too; each one left would cost the next kubelet about 3 s.
    """
    deadline = time.monotonic() + timeout_s
    while left := [folder for root in _hierarchies() for folder in _deepest_first(root / cgroup)]:
        if time.monotonic() > deadline:
            raise WaitTimeout(f"cgroup {cgroup} to empty", str(left[0]))
        for folder in left:
            _kill(folder)
        _thaw(cgroup)
        if not all(_removed(folder) for folder in left):
            time.sleep(0.01)  # killed processes leave their cgroup a moment after


def remove_if_empty(cgroup: Path) -> None:
    """Remove a cgroup that has none below it."""
    for root in _hierarchies():
        _removed(root / cgroup)


def _hierarchies() -> list[Path]:
    return [root for root, _ in _memberships(os.getpid())]


def _memberships(pid: int) -> Iterator[tuple[Path, Path]]:
    """Yield each hierarchy's mount point and a process's place in it."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers:
            root = ROOT / controllers.removeprefix("name=")
        elif kernel.cgroup_version() == 2:
            root = ROOT
        else:
            # Beside those of version 1, without controllers: systemd books processes there too.
            root = ROOT / "unified"
        if root.exists():
            yield root, Path(path.lstrip("/"))


def _pass_on_controllers(folder: Path) -> None:
    names = (folder / "cgroup.controllers").read_text().split()
    (folder / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in names))


def _copy_cpuset(folder: Path) -> None:
    # A new cpuset has neither processors nor memory, and takes no process before it has.
    for name in ("cpuset.cpus", "cpuset.mems"):
        (folder / name).write_text((folder.parent / name).read_text())


def _deepest_first(folder: Path) -> Iterator[Path]:
    for path, _, _ in os.walk(folder, topdown=False):
        yield Path(path)


def _kill(folder: Path) -> None:
    try:
        pids = (folder / "cgroup.procs").read_text().split()
    except OSError:  # gone meanwhile, or a threaded cgroup, whose processes its parent lists
        return
    for pid in map(int, pids):
        if pid:  # 0 is a process of a pid namespace that we can't see
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
