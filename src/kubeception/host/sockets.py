"""Who listens on which TCP port of this host, by /proc."""

import re
import socket
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

_LISTEN = "0A"
ANYWHERE = ("0.0.0.0", "::")  # noqa: S104 - what is read, not where anybody listens


@dataclass(frozen=True)
class Listener:
    """A listening socket and its process; `pid` is 0 for one that can't be seen from here.

    `cgroup` is the text of the process's cgroup file: it names its unit or its pod.
    """

    address: str
    port: int
    pid: int = 0
    program: str = ""
    cgroup: str = ""

    @property
    def unit(self) -> str:
        """The systemd service that its process belongs to, "" for none."""
        return next((part for part in self._parts() if part.endswith(".service")), "")

    def is_of_unit(self, unit: str) -> bool:
        """Whether its process belongs to a systemd unit."""
        return unit in self._parts()

    def is_in_a_pod(self) -> bool:
        """Whether its process was started by a kubelet."""
        return "kubepods" in self.cgroup

    def _parts(self) -> list[str]:
        return re.split(r"[/\n]", self.cgroup)

    def __str__(self) -> str:
        who = f"{self.program} (pid {self.pid})" if self.pid else "another process"
        where = f"[{self.address}]" if ":" in self.address else self.address
        return f"{who} listens on {where}:{self.port}"


def listeners(ports: Collection[int], *, proc: Path = Path("/proc")) -> list[Listener]:
    """Return who listens on any of these ports."""
    found = {inode: at for inode, at in _sockets(proc) if at[1] in ports}
    owners = _owners(proc, set(found))
    return [_listener(proc, at, owners.get(inode, 0)) for inode, at in found.items()]


def listening(*, proc: Path = Path("/proc")) -> set[int]:
    """Return the ports on which anybody listens."""
    return {port for _, (_, port) in _sockets(proc)}


def _sockets(proc: Path) -> Iterator[tuple[str, tuple[str, int]]]:
    """Yield each listening socket's inode, address and port; see proc_net_tcp(5)."""
    for name in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / name).read_text().splitlines()[1:]
        except FileNotFoundError:  # a kernel without IPv6
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTEN:
                address, _, port = fields[1].partition(":")
                yield fields[9], (_address(address), int(port, 16))


def _address(text: str) -> str:
    """Read the kernel's form: 32-bit words in hex, each in the machine's byte order."""
    words = [bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8)]
    packed = b"".join(words)
    if len(packed) == 4:
        return socket.inet_ntop(socket.AF_INET, packed)
    mapped = packed[:12] == bytes(10) + b"\xff\xff"
    return _address(text[24:]) if mapped else socket.inet_ntop(socket.AF_INET6, packed)


def _owners(proc: Path, inodes: set[str]) -> dict[str, int]:
    owners: dict[str, int] = {}
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    for process in proc.iterdir() if wanted else ():
        if not process.name.isdigit():
            continue
        try:
            for handle in (process / "fd").iterdir():
                if inode := wanted.get(str(handle.readlink())):
                    owners.setdefault(inode, int(process.name))
        except OSError:  # it ended meanwhile, or is somebody else's
            continue
    return owners


def _listener(proc: Path, at: tuple[str, int], pid: int) -> Listener:
    try:
        program = (proc / str(pid) / "comm").read_text().strip()
        cgroup = (proc / str(pid) / "cgroup").read_text()
    except OSError:
        return Listener(*at)
    return Listener(*at, pid, program, cgroup)
