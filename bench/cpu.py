"""The CPU seconds of a lab host, and where they go: its cgroups, read from the machine.

With cgroup v2 each unit and each pod has its own figure. With v1 pods have; a unit has one only
from the moment on at which it is given a cgroup here, a quarter of a second after it starts.
"""

import contextlib
import os
import re
import resource
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kubeception.host import kernel
from kubeception.lab import Host

# What a host has done is counted from the first command until so long after.
WINDOW_S = 90.0
LOOK_EVERY_S = 0.25

COMMAND = "the command"
LOOKING = "kubectl, by which this page looks"
IMAGES = "containerd, until the first pod: importing images"
CONTAINERD = "containerd, from then on"
REST = "systemd and the rest"
_SERVER = "API server"
_BOOTSTRAP = "API server, bootstrap"
_CONTROLLERS = "controller-managers and schedulers"
_ADDONS = "kube-proxy, flannel, CoreDNS"
_UNITS = {
    "etcd.service": "etcd",
    "kubelet.service": "kubelet",
    "containerd.service": CONTAINERD,
    "kubeception-keeper.service": "kubeception: the keeper",
}
_PROGRAMS = {
    "kube-apiserver": _SERVER,
    "etcd": "etcd",
    "kube-controller-manager": _CONTROLLERS,
    "kube-scheduler": _CONTROLLERS,
    "kube-proxy": _ADDONS,
    "flanneld": _ADDONS,
    "coredns": _ADDONS,
    "kubeception": "kubeception: join service and controller",
}
PARTS = (
    *(_BOOTSTRAP, _SERVER, "etcd", _CONTROLLERS, "kubelet", IMAGES, CONTAINERD, _ADDONS, COMMAND),
    *("kubeception: the keeper", "kubeception: join service and controller", LOOKING, REST),
)
_ROOT = Path("/sys/fs/cgroup")
# By its uid, or by the digest of a static one's manifest; systemd writes _ for -.
_POD = re.compile(r"pod([0-9a-f]{8}([-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(\.slice)?$")


@dataclass(frozen=True)
class Spent:
    """CPU seconds: of all that a host did, and of its parts."""

    total_s: float
    parts: dict[str, float]


def accounting() -> Path:
    """Return the hierarchy of cgroups that counts CPU time."""
    if kernel.cgroup_version() == 2:
        return _ROOT
    return next(path for path in sorted(_ROOT.iterdir()) if "cpuacct" in path.name.split(","))


def spent_s(group: Path) -> float:
    """Return the CPU seconds of a cgroup with all below it, of what has ended as well."""
    if (group / "cpuacct.usage").exists():
        return int((group / "cpuacct.usage").read_text()) / 1e9
    counted = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
    return int(counted["usage_usec"]) / 1e6


def program(argv: list[str]) -> str | None:
    """Return the part that a process of a pod belongs to, None where it says nothing of it."""
    words = [Path(word).name for word in argv]
    name = "kubeception" if "kubeception" in words[:5] else (words or [""])[0]
    part = _PROGRAMS.get(name)
    return _BOOTSTRAP if part == _SERVER and "--secure-port=6444" in argv else part


class Meter:
    """Counts what a host spends from the beginning of a block on."""

    def __init__(self, host: Host) -> None:
        self._cgroup = host.place.cgroup
        self._group = accounting() / self._cgroup
        self._before: dict[Path, float] = {}
        self._spent: dict[Path, float] = {}
        self._parts: dict[Path, str] = {}
        self._commands: dict[str, float] = {}
        self._moved: set[str] = set()
        self._images_s: float | None = None
        self._ending = threading.Event()
        self._looking = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> "Meter":
        """Begin to count."""
        self._began_s = time.monotonic()
        self._look()
        self._before = {**self._spent, self._group: spent_s(self._group)}
        self._looking.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Count no more."""
        self._ending.set()
        self._looking.join()
        self._look()
        self._spent[self._group] = spent_s(self._group)

    @contextlib.contextmanager
    def counting(self, part: str) -> Iterator[None]:
        """Count what this process starts and waits for meanwhile as a part."""
        before = _of_children_s()
        yield
        self._commands[part] = self._commands.get(part, 0.0) + _of_children_s() - before

    def wait(self, seconds: float) -> None:
        """Wait until so many seconds have passed since the beginning."""
        self._ending.wait(self._began_s + seconds - time.monotonic())

    @property
    def spent(self) -> Spent:
        """What was spent, once the block has ended; what no part has seen is the rest."""
        parts = dict.fromkeys(PARTS, 0.0) | self._commands
        for group, part in self._parts.items():
            parts[part] += self._spent[group] - self._before.get(group, 0.0)
        images_s = min(self._images_s or 0.0, parts[CONTAINERD])
        parts[IMAGES], parts[CONTAINERD] = images_s, parts[CONTAINERD] - images_s
        total_s = self._spent[self._group] - self._before[self._group]
        parts[REST] = total_s - sum(parts.values())
        return Spent(total_s, parts)

    def _look_on(self) -> None:
        while not self._ending.wait(LOOK_EVERY_S):
            self._look()

    def _look(self) -> None:
        if kernel.cgroup_version() == 1:
            self._separate_units()
        for group in _groups(self._group):
            with contextlib.suppress(OSError):  # gone meanwhile: what was read before counts
                self._spent[group] = spent_s(group)
                if part := _part(group):
                    self._parts[group] = part
            if self._images_s is None and _POD.search(group.name):
                self._images_s = sum(
                    self._spent[one] - self._before.get(one, 0.0)
                    for one, part in self._parts.items()
                    if part == CONTAINERD
                )

    def _separate_units(self) -> None:
        """Give each unit a cgroup of its own, as systemd does where it counts CPU time itself."""
        for unit in _UNITS:
            for listed in (_ROOT / "systemd" / self._cgroup).rglob(f"{unit}/cgroup.procs"):
                with contextlib.suppress(OSError):
                    for pid in set(listed.read_text().split()) - self._moved:
                        self._moved.add(pid)
                        own = Path(f"/proc/{pid}/cgroup").read_text()
                        # A container's first process is on its way to a cgroup of its pod.
                        if re.search(rf"cpuacct[^:]*:/{self._cgroup}$", own, re.MULTILINE):
                            (self._group / unit).mkdir(exist_ok=True)
                            (self._group / unit / "cgroup.procs").write_text(pid)


def _groups(folder: Path) -> Iterator[Path]:
    """Yield the cgroups of units and of pods."""
    for at, names, _ in os.walk(folder):
        for name in list(names):
            if name in _UNITS or _POD.search(name):
                names.remove(name)
                yield Path(at, name)


def _part(group: Path) -> str | None:
    if group.name in _UNITS:
        return _UNITS[group.name]
    for listed in group.rglob("cgroup.procs"):
        for pid in listed.read_text().split():
            argv = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            if found := program(argv):
                return found
    return None


def _of_children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
