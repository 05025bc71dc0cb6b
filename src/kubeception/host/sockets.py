"""Who has which TCP port of this host, by /proc."""

import errno
import re
import socket
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

_LISTEN = "0A"
# The kernel alone has it, for a minute after a connection's end.
_NOBODYS = "0"
ANYWHERE = ("0.0.0.0", "::")  # noqa: S104 - what is read, not where anybody listens


@dataclass(frozen=True)
class Listener:
    """A listening socket and its process; `pid` is 0 for one that can't be seen from here.

    `cgroup` is the text of the process's cgroup file: it names its unit or its pod. With a `peer`
    it is a connection to there, and has the port at this end; `is_over` is one that has ended.
    """

    address: str
    port: int
    pid: int = 0
    program: str = ""
    cgroup: str = ""
    peer: str = ""
    is_over: bool = False

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
        at = _written(self.address, self.port)
        if self.is_over:
            return f"a connection from {at} to {self.peer} has ended, and has it for a minute more"
        if self.peer:
            return f"{who} has a connection from {at} to {self.peer}"
        return f"{who} listens on {at}"


@dataclass(frozen=True)
class _Socket:
    inode: str
    address: str
    port: int
    peer: str = ""


def listeners(ports: Collection[int], *, proc: Path = Path("/proc")) -> list[Listener]:
    """Return who listens on any of these ports."""
    return _owned(proc, [one for one in _sockets(proc) if not one.peer and one.port in ports])


def connections(ports: Collection[int], *, proc: Path = Path("/proc")) -> list[Listener]:
    """Return who has a connection with any of these ports at this end."""
    return _owned(proc, [one for one in _sockets(proc) if one.peer and one.port in ports])


def listening(*, proc: Path = Path("/proc")) -> set[int]:
    """Return the ports on which anybody listens."""
    return {one.port for one in _sockets(proc) if not one.peer}


def is_free(port: int, address: str = "") -> bool:
    """Tell whether the kernel would let somebody listen there; "" is every address."""
    family = socket.AF_INET6 if socket.has_dualstack_ipv6() and not address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as everybody who serves
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def _sockets(proc: Path) -> Iterator[_Socket]:
    """Yield each socket that listens, and each end of a connection; see proc_net_tcp(5)."""
    for name in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / name).read_text().splitlines()[1:]
        except FileNotFoundError:  # a kernel without IPv6
            continue
        for line in lines:
            fields = line.split()
            own, inode = _end(fields[1]), fields[9]
            peer = "" if fields[3] == _LISTEN else _written(*_end(fields[2]))
            yield _Socket(inode, *own, peer)


def _end(text: str) -> tuple[str, int]:
    address, _, port = text.partition(":")
    return _address(address), int(port, 16)


def _written(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


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


def _owned(proc: Path, found: Sequence[_Socket]) -> list[Listener]:
    owners = _owners(proc, {one.inode for one in found} - {_NOBODYS})
    return [_listener(proc, one, owners.get(one.inode, 0)) for one in found]


def _listener(proc: Path, of: _Socket, pid: int) -> Listener:
    at = Listener(of.address, of.port, peer=of.peer, is_over=of.inode == _NOBODYS)
    try:
        program = (proc / str(pid) / "comm").read_text().strip()
        cgroup = (proc / str(pid) / "cgroup").read_text()
    except OSError:
        return at
    return replace(at, pid=pid, program=program, cgroup=cgroup)
