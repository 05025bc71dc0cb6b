"""Network links, and tables of nftables, by their names."""

import fcntl
import json
import shutil
import socket
import struct
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from kubeception import crash
from kubeception.host.process import run

_LINKS = Path("/sys/class/net")
_IFF_UP, _SIOCGIFFLAGS, _SIOCGIFMTU = 1, 0x8913, 0x8921
_FLAGS, _MTU = "16sH22x", "16si20x"  # struct ifreq, netdevice(7)
_CLOSED = frozenset({"blackhole", "unreachable", "prohibit"})


def has_link(name: str) -> bool:
    """Tell whether there is a link of that name."""
    return (_LINKS / name).exists()


def is_up(name: str) -> bool:
    """Tell whether there is a link of that name, and somebody has set it up."""
    return bool(_asked(_SIOCGIFFLAGS, _FLAGS, name) & _IFF_UP)


def mtu(name: str) -> int:
    """Return how large a packet a link carries, in bytes; 0 where there is none of that name."""
    return _asked(_SIOCGIFMTU, _MTU, name)


def _asked(what: int, form: str, name: str) -> int:
    """Return what the kernel says of a link, 0 where there is none of that name."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            said = fcntl.ioctl(any_socket, what, struct.pack(form, name.encode(), 0))
        except OSError:
            return 0
    value: int = struct.unpack(form, said)[1]
    return value


def tunnels(name: str) -> list[IPv4Address]:
    """Return the other ends to which a VXLAN link sends, in order; none where none is told."""
    listed = run(["bridge", "-json", "fdb", "show", "dev", name], check=False)
    ends = {one["dst"] for one in json.loads(listed.stdout or "[]") if "dst" in one}
    return sorted(map(IPv4Address, ends)) if listed.code == 0 else []


def tunnel(name: str) -> tuple[str, str] | None:
    """Return the link and the address by which a VXLAN link sends, None where there is none."""
    listed = run(["ip", "-json", "-details", "link", "show", name], check=False)
    if listed.code:
        return None
    made = json.loads(listed.stdout)[0].get("linkinfo", {}).get("info_data", {})
    return made.get("link", ""), made.get("local", "")


def closed_route(address: IPv4Address) -> str | None:
    """Return the route by which a packet to an address goes nowhere, None where it is none."""
    listed = run(["ip", "-json", "route", "show", "match", str(address)], check=False)
    found: list[dict[str, Any]] = json.loads(listed.stdout or "[]") if listed.code == 0 else []
    longest: dict[str, Any] = max(found, key=lambda one: _length(one["dst"]), default={})
    kind = longest.get("type", "")
    return f"{kind} {longest['dst']}" if kind in _CLOSED else None


def _length(destination: str) -> int:
    return 0 if destination == "default" else int((destination + "/32").split("/")[1])


def is_in_use(bridge: str) -> bool:
    """Tell whether anything is plugged into a bridge."""
    ports = _LINKS / bridge / "brif"
    return ports.exists() and any(ports.iterdir())


def remove_link(name: str) -> None:
    """Remove a link, and with it its addresses and routes."""
    crash.before("remove link", name)
    run(["ip", "link", "delete", name])


def has_nft() -> bool:
    """Tell whether nftables can be asked: a worker may do without nft."""
    return shutil.which("nft") is not None


def has_table(family: str, name: str) -> bool:
    """Tell whether nftables has a table of that name."""
    return run(["nft", "list", "table", family, name], check=False).code == 0


def has_rules(family: str, table: str, chain: str, *, verdict: str = "rule") -> bool:
    """Tell whether a chain of nftables is there, with a rule in it, or one of some verdict."""
    listed = run(["nft", "--json", "list", "chain", family, table, chain], check=False)
    return listed.code == 0 and f'"{verdict}"' in listed.stdout


def remove_table(family: str, name: str) -> None:
    """Remove a table of nftables; one that is gone already is fine."""
    crash.before("remove table", f"{family} {name}")
    run(["nft", "--file", "-"], stdin=f"table {family} {name}\ndelete table {family} {name}\n")
