"""Network links, and tables of nftables, by their names."""

import fcntl
import json
import shutil
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from kubeception import crash
from kubeception.errors import KubeceptionError
from kubeception.host.process import run

_IFF_UP, _SIOCGIFFLAGS, _SIOCGIFMTU = 1, 0x8913, 0x8921
_FLAGS, _MTU = "16sH22x", "16si20x"  # struct ifreq, netdevice(7)
_LEFT_ALONE = frozenset({"unmanaged", "connected (externally)"})
_CLOSED = frozenset({"blackhole", "unreachable", "prohibit"})


def has_link(name: str) -> bool:
    """Tell whether there is a link of that name."""
    return bool(index(name))


def network_file(name: str, states: Path) -> str | None:
    """Return by which file of its settings systemd-networkd configures a link, None for none.

    `states` is the folder where it says so.
    """
    try:
        lines = (states / str(index(name))).read_text().splitlines()
    except OSError:
        return None
    said = dict(line.split("=", 1) for line in lines if "=" in line)
    is_managed = said.get("ADMIN_STATE", "unmanaged") not in {"unmanaged", "linger"}
    return said.get("NETWORK_FILE") if is_managed else None


def managed() -> frozenset[str]:
    """Return the links that NetworkManager configures; none where it does not run.

    One that it only looks at is none of those.
    """
    asked = ["nmcli", "--terse", "--escape", "no", "--fields", "STATE,DEVICE", "device"]
    try:
        lines = run(asked, check=False).stdout.splitlines()
    except KubeceptionError:  # there is none to ask
        return frozenset()
    told = (line.split(":", 1) for line in lines if ":" in line)
    return frozenset(link for state, link in told if state not in _LEFT_ALONE)


def index(name: str) -> int:
    """Return the kernel's number of a link, 0 for none; one that is made anew gets another."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


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


def tunnels(name: str) -> dict[str, IPv4Address]:
    """Return the other ends to which a VXLAN link sends, by the link addresses behind them.

    None where none is told.
    """
    listed = run(["bridge", "-json", "fdb", "show", "dev", name], check=False)
    told = json.loads(listed.stdout or "[]") if listed.code == 0 else []
    return {one["mac"]: IPv4Address(one["dst"]) for one in told if "dst" in one}


def forget_tunnels(name: str) -> None:
    """Have a VXLAN link send to no other end."""
    for link_address, end in tunnels(name).items():
        crash.before("forget tunnel", f"{name} {end}")
        run(["bridge", "fdb", "delete", link_address, "dev", name, "dst", str(end)], check=False)


@dataclass(frozen=True)
class Route:
    """By which link packets to an address go, and by which route: destination, table, type."""

    link: str
    destination: str
    table: str
    kind: str

    def __str__(self) -> str:
        words = (self.kind, self.destination, f"table {self.table}" if self.table else "")
        return " ".join(filter(None, words))


def route(
    address: IPv4Address, *, source: IPv4Address | None = None, via: str = ""
) -> Route | None:
    """Return the route of what this host sends, or of what comes from a source by a link.

    By the rules of ip-rule(8), too; None where none leads there.
    """
    given = ["from", str(source), "iif", via] if source else []
    asked = run(["ip", "-json", "route", "get", "fibmatch", str(address), *given], check=False)
    found = json.loads(asked.stdout or "[]") if asked.code == 0 else []
    if not found:
        return None
    one: dict[str, str] = found[0]
    return Route(one.get("dev", ""), one["dst"], one.get("table", ""), one.get("type", ""))


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


def ports(bridge: str) -> set[str]:
    """Return the links that are plugged into a bridge; none where there is no bridge."""
    listed = run(["ip", "-json", "link", "show", "master", bridge], check=False)
    told = json.loads(listed.stdout or "[]") if listed.code == 0 else []
    return {one["ifname"] for one in told if "ifname" in one}


def remove_link(name: str) -> None:
    """Remove a link, and with it its addresses and routes."""
    crash.before("remove link", name)
    run(["ip", "link", "delete", name])


def has_iproute() -> bool:
    """Tell whether links can be asked for what they know of others, as by ip-route(8)."""
    return all(map(shutil.which, ("ip", "bridge")))


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
