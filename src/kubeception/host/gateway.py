"""The host as an object that is handed around: where its root is, its systemd, its clock."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from kubeception.host.systemd import Systemd


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Clock:
    """Time, so that a test can hand in its own."""

    now: Callable[[], datetime] = _now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Host:
    """This machine, or the one whose files are mounted under `root`."""

    root: Path = Path("/")
    systemd: Systemd = field(default_factory=Systemd)
    clock: Clock = Clock()

    def at(self, path: Path) -> Path:
        """Return where a host's path lies for this process."""
        return self.root / path.relative_to("/")


def hostname() -> str:
    """Return the host's own name."""
    return socket.gethostname()


def default_address() -> str | None:
    """Return the address that the default route would send from; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address: str = probe.getsockname()[0]
        return address
