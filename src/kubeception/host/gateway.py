"""The host as an object that is handed around: where its root is, its systemd, its clock."""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

from kubeception import pace
from kubeception.host import process
from kubeception.host.process import Completed
from kubeception.host.systemd import SOCKET, Systemd
from kubeception.layout import HOST_VARIABLE

_ROOT = Path("/")
# As many symlinks as the kernel itself follows.
_LINKS = 40


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Clock:
    """Time, so that a test can hand in its own."""

    now: Callable[[], datetime] = _now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    slowness: Callable[[], float] = pace.slowness
    """How much longer than usual all takes just now."""
    spent: Callable[[], float] = time.process_time
    """For how many seconds this process has had a processor."""


@dataclass(frozen=True)
class Host:
    """This machine, or the one whose files are mounted under `root`.

    `is_contained` says that this process runs in a container on it, so that programs and links of
    the host's mean something only below `root`.
    """

    root: Path = _ROOT
    systemd: Systemd = field(default_factory=Systemd)
    clock: Clock = Clock()
    is_contained: bool = False

    @property
    def inside(self) -> Path | None:
        """The root that the host's own programs have to run in, None where it is ours, too."""
        return self.root if self.is_contained else None

    @property
    def proc(self) -> Path:
        """Where all processes of the host are seen; a container's own /proc has few of them."""
        return self.at(Path("/proc")) if self.is_contained else Path("/proc")

    @property
    def name(self) -> str:
        """What the host calls itself; a container may have a name of its own."""
        if self.is_contained:
            with contextlib.suppress(OSError):
                own = self.real(Path("/etc/hostname")).read_text().strip()
                if own:
                    return own
        return socket.gethostname()

    def at(self, path: Path) -> Path:
        """Return where a host's path lies for this process."""
        return self.root / path.relative_to("/")

    def named(self, path: Path) -> Path:
        """Return what the host calls a path of this process."""
        return Path("/") / path.relative_to(self.root) if self.is_contained else path

    def real(self, path: Path) -> Path:
        """Return where the content of a host's path lies for this process.

        Symlinks are followed as the host itself follows them: what they call / is its root.
        """
        if self.root == _ROOT:
            return Path(os.path.realpath(path))
        found, left = Path("/"), list(path.parts[1:])
        for _ in range(_LINKS + 1):
            while left:
                found = Path(os.path.normpath(found / left.pop(0)))
                if self.at(found).is_symlink():
                    break
            else:
                return self.at(found)
            target = self.at(found).readlink()
            left = [*target.parts, *left]
            found = found.parent
        return self.at(path)

    def content(self, path: Path) -> bytes | None:
        """Return what is in a file of the host, None where there is none, or something else."""
        try:
            return self.real(path).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def find(self, program: str, *, path: str = "") -> Path | None:
        """Return where the host has a program, as it calls the place; by default on our PATH."""
        for folder in (path or os.environ.get("PATH", os.defpath)).split(":"):
            at = Path("/", folder) / program
            if os.access(self.real(at), os.X_OK):
                return at
        return None

    def run(
        self, argv: Sequence[str | Path], *, check: bool = True, timeout: float | None = None
    ) -> Completed:
        """Run a program of the host's own to its end, on paths as the host has them.

        Raises:
            CommandFailed: it ended with another code than 0 and `check` is set, or ran out of time.
            KubeceptionError: there is no such program.
        """
        program, *words = argv
        if self.inside is None and Path(program).is_absolute():
            program = self.at(Path(program))
        return process.run([program, *words], check=check, timeout=timeout, root=self.inside)


def this_host(variables: Mapping[str, str] = os.environ) -> Host:
    """Return the machine to work on: this one, or the one that is mounted in our container."""
    root = Path(variables.get(HOST_VARIABLE, "/"))
    # The same image runs in the cluster, where nothing is mounted.
    if root == Path("/") or not (root / "etc").is_dir():
        return Host()
    systemd = Systemd(root / SOCKET.relative_to("/"), root=root)
    return Host(root, systemd, is_contained=True)


def default_address() -> IPv4Address | None:
    """Return the address that the default route would send from; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return IPv4Address(probe.getsockname()[0])
