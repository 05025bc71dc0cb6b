"""Where a lab keeps its files, and which names and addresses its hosts have."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from kubeception.errors import KubeceptionError
from kubeception.host import files

STATE = Path("/var/lib/kubeception-lab")
RUN = Path("/run/kubeception-lab")
CACHE = STATE / ".cache"

BRIDGE = "lab0"
GATEWAY = "10.89.0.1"
PREFIX = 24
CONTROL_PLANE = "control-plane"
WORKER = "worker"
MAX_WORKERS = 200

# Role → what its hosts' names begin with, and the address before the first one's.
_NUMBERING = {CONTROL_PLANE: ("cp", 10), WORKER: ("w", 20)}

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


@dataclass(frozen=True)
class Place:
    """The folders of one lab."""

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise KubeceptionError(
                f"lab name {self.name!r} is not made of a-z, 0-9 and '-'", hint="--name NAME"
            )

    @property
    def state(self) -> Path:
        """What outlives a reboot of the machine."""
        return STATE / self.name

    @property
    def run(self) -> Path:
        """Locks and process ids."""
        return RUN / self.name

    @property
    def lock(self) -> Path:
        """Held by whoever changes which hosts there are."""
        return self.run / "lock"

    @property
    def network(self) -> Path:
        """The lab's network namespace."""
        return self.run / "net"

    @property
    def cgroup(self) -> Path:
        """The cgroup above those of the hosts, below every hierarchy's root."""
        return Path("kubeception-lab", self.name)


@dataclass(frozen=True)
class HostSpec:
    """What is fixed when a host is made."""

    name: str
    role: str
    address: str
    # Folders that the host's own files lie over, topmost first: the bundle's, unless it is a bare
    # host, and the Debian tree.
    lower: tuple[str, ...]

    @classmethod
    def of(cls, role: str, number: int, *, lower: Sequence[Path]) -> "HostSpec":
        """Return the host of a role and a number, counted from 1."""
        prefix, first = _NUMBERING[role]
        address = f"10.89.0.{first + number}"
        return cls(f"{prefix}{number}", role, address, tuple(map(str, lower)))

    def write(self, path: Path) -> None:
        """Keep this beside what it describes."""
        files.write(path, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> "HostSpec":
        """Return the one that was kept."""
        kept = json.loads(path.read_text())
        return cls(**{**kept, "lower": tuple(kept["lower"])})


@dataclass(frozen=True)
class HostPlace:
    """The files of one host."""

    lab: Place
    name: str

    @property
    def state(self) -> Path:
        """All that makes the host; it appears in one rename when the host is made."""
        return self.lab.state / self.name

    @property
    def spec(self) -> Path:
        """The host's Spec."""
        return self.state / "host.json"

    @property
    def upper(self) -> Path:
        """What the host wrote over the shared Debian tree."""
        return self.state / "upper"

    @property
    def work(self) -> Path:
        """The overlay's own folder."""
        return self.state / "work"

    @property
    def root(self) -> Path:
        """Where the supervisor, and nobody else, sees the host's root file system."""
        return self.state / "root"

    @property
    def image(self) -> Path:
        """The disk that a power cut loses unsynced data from."""
        return self.state / "disk.ext4"

    @property
    def disk(self) -> Path:
        """Where the supervisor, and nobody else, sees the disk."""
        return self.state / "disk"

    @property
    def containerd(self) -> Path:
        """The host's /var/lib/containerd: overlays can't lie on an overlay."""
        return self.state / "containerd"

    @property
    def console(self) -> Path:
        """What the supervisor and the host's console said."""
        return self.state / "console.log"

    @property
    def pid(self) -> Path:
        """The supervisor's process id; the supervisor holds a lock on it while it lives."""
        return self.lab.run / f"{self.name}.pid"

    @property
    def cgroup(self) -> Path:
        """The cgroup that is the host's root, below every hierarchy's root."""
        return self.lab.cgroup / self.name
