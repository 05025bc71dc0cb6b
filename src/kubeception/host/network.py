"""The IPv4 addresses of this host, and which of its interfaces lead out."""

import array
import contextlib
import errno
import fcntl
import socket
import struct
import sys
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from kubeception.endpoints import Address

_SIOCGIFCONF = 0x8912
_RECORD = 40  # struct ifreq on 64-bit Linux
_ROOM = 1024  # addresses
_UP = 1  # RTF_UP
_COMPLETE, _PERMANENT = 2, 4  # ATF_COM, ATF_PERM
_DISCARD = 9
_ANSWERS_WITHIN_S = 1.0
_EVERYWHERE = IPv4Network("0.0.0.0/0")


@dataclass(frozen=True)
class Route:
    """A default route: its interface, and its metric, of which the lowest wins."""

    interface: str
    metric: int


def addresses() -> list[tuple[str, IPv4Address]]:
    """Return every interface's every address, as (interface, address)."""
    buffer = array.array("B", bytes(_RECORD * _ROOM))
    pointer, length = buffer.buffer_info()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, _SIOCGIFCONF, struct.pack("iP", length, pointer))
    filled = struct.unpack("iP", answer)[0]
    found = []
    for at in range(0, filled, _RECORD):
        record = buffer[at : at + _RECORD].tobytes()
        label = record[:16].partition(b"\0")[0].decode()
        # A second address may carry a label such as eth0:1.
        found.append((label.partition(":")[0], IPv4Address(record[20:24])))
    return found


def has_address(address: Address) -> bool:
    """Tell whether an address is one of this host's: only such a one can be bound."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError as error:
            return error.errno != errno.EADDRNOTAVAIL
    return True


def gateways(interface: str, *, proc: Path = Path("/proc")) -> list[IPv4Address]:
    """Return the gateways to which routes lead through an interface."""
    return sorted({one.gateway for one in _routes(proc) if one.is_by_way_of(interface)})


def neighbours(interface: str, *, proc: Path = Path("/proc")) -> dict[IPv4Address, str]:
    """Return the link addresses of neighbours that somebody wrote down for good; see arp(7)."""
    return {
        address: link_address
        for address, flags, link_address, at in _neighbours(proc)
        if at == interface and flags & _PERMANENT
    }


def _neighbours(proc: Path = Path("/proc")) -> Iterator[tuple[IPv4Address, int, str, str]]:
    for line in (proc / "net/arp").read_text().splitlines()[1:]:
        address, _, flags, link_address, _, at = line.split()
        yield IPv4Address(address), int(flags, 16), link_address, at


def answering(interface: str, addresses: Collection[IPv4Address]) -> set[IPv4Address]:
    """Return those of some addresses at which somebody is behind an interface: who answers ARP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for address in addresses:
            with contextlib.suppress(OSError):  # no route
                any_socket.sendto(b"", (str(address), _DISCARD))
    if addresses:
        time.sleep(_ANSWERS_WITHIN_S)
    known = {
        address for address, flags, _, at in _neighbours() if at == interface and flags & _COMPLETE
    }
    return known.intersection(addresses)


def ranges(interface: str, *, proc: Path = Path("/proc")) -> list[IPv4Network]:
    """Return the ranges to which routes lead by a gateway behind an interface, in their order."""
    return sorted(one.network for one in _routes(proc) if one.is_by_way_of(interface))


@dataclass(frozen=True)
class Dropped:
    """How many packets the kernel has dropped for what they said, since the boot or a moment.

    `by_source` for where they came from, by rp_filter (ip-sysctl), and `by_checksum` for a wrong
    one of TCP or UDP, as they come from a card that was to compute it and has not.
    """

    by_source: int = 0
    by_checksum: int = 0

    def since(self, before: "Dropped") -> "Dropped":
        """Return what was dropped since another count."""
        return Dropped(self.by_source - before.by_source, self.by_checksum - before.by_checksum)


def dropped(*, proc: Path = Path("/proc")) -> Dropped:
    """Return what it has dropped since the boot."""
    by_checksum = sum(_counted(proc / "net/snmp", kind, "InCsumErrors") for kind in ("Tcp", "Udp"))
    return Dropped(_counted(proc / "net/netstat", "TcpExt", "IPReversePathFilter"), by_checksum)


def _counted(file: Path, kind: str, name: str) -> int:
    """Return a counter of a file with two lines for each kind, its names and its values."""
    lines = file.read_text().splitlines()
    told = [line.split() for line in lines if line.startswith(f"{kind}:")]
    found = dict(zip(*told, strict=True)) if len(told) == 2 else {}
    return int(found.get(name, "0"))


def connected(*, proc: Path = Path("/proc")) -> list[tuple[str, IPv4Network]]:
    """Return the networks to which routes lead, as (interface, network), but the default."""
    up = (one for one in _routes(proc) if one.is_up and one.network.prefixlen)
    return [(one.interface, one.network) for one in up]


def default_routes(*, proc: Path = Path("/proc")) -> list[Route]:
    """Return the default routes, the ones that win first."""
    up = (one for one in _routes(proc) if one.is_up and one.network == _EVERYWHERE)
    routes = [Route(one.interface, one.metric) for one in up]
    return sorted(routes, key=lambda route: route.metric)


@dataclass(frozen=True)
class _Entry:
    """A line of the kernel's table of routes."""

    interface: str
    network: IPv4Network
    gateway: IPv4Address
    is_up: bool
    metric: int

    def is_by_way_of(self, interface: str) -> bool:
        """Tell whether it leads through an interface to a gateway."""
        return self.interface == interface and int(self.gateway) != 0


def _routes(proc: Path) -> Iterator[_Entry]:
    """Yield the kernel's table of routes; see proc_net_route(5)."""
    for line in (proc / "net/route").read_text().splitlines()[1:]:
        interface, destination, gateway, flags, _, _, metric, mask, *_ = line.split()
        yield _Entry(
            interface,
            IPv4Network((_address(destination), str(_address(mask)))),
            _address(gateway),
            bool(int(flags, 16) & _UP),
            int(metric),
        )


def _address(text: str) -> IPv4Address:
    return IPv4Address(int(text, 16).to_bytes(4, sys.byteorder))
