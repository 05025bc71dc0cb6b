"""The cgroups of lab hosts, in every hierarchy of version 1 or in the one of version 2."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from kubeception.errors import WaitTimeout
from kubeception.host import kernel

ROOT = Path("/sys/fs/cgroup")


def make(cgroup: Path) -> list[Path]:
    """Make a cgroup in each hierarchy and return the files that take in a process."""
    for root in _hierarchies():
        folder = root
        for part in cgroup.parts:
            if kernel.cgroup_version() == 2:
                _pass_on_controllers(folder)
            folder /= part
            folder.mkdir(exist_ok=True)
            if (folder / "cpuset.cpus").exists() and kernel.cgroup_version() == 1:
                _copy_cpuset(folder)
    return [root / cgroup / "cgroup.procs" for root in _hierarchies()]


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


def clear(cgroup: Path, *, timeout_s: float = 20) -> None:
    """Kill whatever is in a cgroup and remove it with all below it, deepest first.

    A real reboot empties them too; each one left would cost the next kubelet about 3 s.
    """
    deadline = time.monotonic() + timeout_s
    while left := [folder for root in _hierarchies() for folder in _deepest_first(root / cgroup)]:
        if time.monotonic() > deadline:
            raise WaitTimeout(f"cgroup {cgroup} to empty", str(left[0]))
        for folder in left:
            _kill(folder)
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
