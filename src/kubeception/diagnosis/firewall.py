"""Whether this host's packet filter lets through what a cluster lives on; docs/network.md."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from urllib.parse import urlsplit

from kubeception.diagnosis import traffic
from kubeception.diagnosis.traffic import Around, Need
from kubeception.endpoints import API_PORT, BOOTSTRAP_PORT
from kubeception.gather import chosen_address
from kubeception.host import door, links, network, ruleset, sockets
from kubeception.host.packet_filter import LEGACY, Chain, Drop, Filter, Packet
from kubeception.kept import membership
from kubeception.render import flannel, proxy
from kubeception.session import Session

_IPTABLES = {"ip": "iptables", LEGACY: "iptables-legacy"}
_OURS = frozenset({("ip", door.TABLE), *proxy.TABLES, *flannel.TABLES})
# Of other hosts so many are asked for one by one: rules that name more of them name most.
_PEERS = 64


@dataclass(frozen=True)
class Blocked:
    """Where packets end that have to get through."""

    drop: Drop
    needs: tuple[Need, ...]
    by_ufw: bool = False

    @property
    def is_vital(self) -> bool:
        """Whether this host can't do without."""
        return any(need.is_vital for need in self.needs)

    @property
    def hint(self) -> str:
        """What lets them through until the rules are loaded anew."""
        openings = list(dict.fromkeys(need.opening for need in self.needs))
        base = self.drop.base
        if base.table == "firewalld":
            parts = [f"firewall-cmd {word}" for one in openings for word in one.by_firewalld(base)]
        elif self.by_ufw and base.table == "filter":
            parts = [f"ufw {word}" for one in openings for word in one.by_ufw(base)]
        elif base.by_iptables and base.family in _IPTABLES:
            start = f"{_IPTABLES[base.family]} -t {base.table} -I {base.name}"
            parts = [f"{start} {word}" for one in openings for word in one.by_iptables(base)]
        else:
            start = f"nft insert rule {base.family} {base.table} {base.name}"
            parts = [f"{start} {word}" for one in openings for word in one.by_nft(base)]
        return "; ".join(dict.fromkeys(parts))

    def __str__(self) -> str:
        return f"{self.drop} drops {', '.join(dict.fromkeys(need.what for need in self.needs))}"


def look(session: Session, *, is_worker: bool) -> list[Blocked]:
    """Return what this host's packet filter drops of what it needs."""
    chains = ruleset.read(session.host, but=_OURS)
    around = _around(session) if chains else Around()
    return blocked(traffic.needs(session.config, around, is_worker=is_worker), chains)


def blocked(wanted: Iterable[Need], chains: Sequence[Chain]) -> list[Blocked]:
    """Return what chains drop of what is needed, by where it ends."""
    found: dict[Drop, list[Need]] = {}
    anybodys: set[tuple[Drop, str, str, int]] = set()
    packet_filter = Filter(chains)
    for asked in wanted:
        ended = _first_end(asked, packet_filter)
        if ended is None:
            continue
        end, need, packet = ended
        kind = (end, packet.hook, packet.protocol, packet.port)
        if need.of_one and kind in anybodys:
            continue
        if not need.of_one:
            anybodys.add(kind)
        found.setdefault(end, []).append(need)
    by_ufw = any(chain.name.startswith("ufw-") for chain in chains)
    return [Blocked(drop, tuple(needs), by_ufw) for drop, needs in found.items()]


def _first_end(need: Need, packet_filter: Filter) -> tuple[Drop, Need, Packet] | None:
    """Return where a first packet ends, and of what; an answer only where all is asked."""
    for one in (need, *need.answers):
        for packet in one.packets:
            if end := packet_filter.dropped(packet):
                return end, one, packet
    return None


def against_the_network(session: Session) -> list[Blocked]:
    """Return what this host's packet filter drops of what the cluster's network is tried by."""
    chains = ruleset.read(session.host, but=_OURS)
    around = _around(session) if chains else Around()
    return blocked(traffic.tried(session.config, around), chains)


def dropped_here(session: Session) -> str | None:
    """Say where packets of this host to its own API server end that is alive, None where nowhere.

    Or to the bootstrap one: then it is in vain to start that.
    """
    chains = ruleset.read(session.host, but=_OURS)
    there = sockets.listening(proc=session.host.proc) | {BOOTSTRAP_PORT}
    ends = {
        port: blocked([traffic.own(port, original=API_PORT)], chains)
        for port in traffic.API_PORTS
        if port in there
    }
    ports = ", ".join(str(port) for port, found in ends.items() if found)
    first = next((found[0].drop for found in ends.values() if found), None)
    return f"{first} drops tcp {ports} of this host itself" if first else None


def dropped_from_others(session: Session, port: int) -> str | None:
    """Say where packets of other hosts to an API server end that the door sends there, or None."""
    chains = ruleset.read(session.host, but=_OURS)
    uplink = _uplink(session) if chains else ""
    found = blocked([traffic.of_the_door(uplink, port)], chains)
    return f"{found[0]} ({found[0].hint})" if found else None


def _around(session: Session) -> Around:
    """Return what this host knows of others by now: before it has joined, of none."""
    peers = sorted({*links.tunnels(flannel.LINK).values()})[:_PEERS]
    return Around(_uplink(session), tuple(peers), tuple(_apis(session)))


def _apis(session: Session) -> Iterator[IPv4Address]:
    """Yield where a worker asks the API; names can't be told from here."""
    member = membership.read(session.layout.membership)
    for one in member.apiservers if member else ():
        with contextlib.suppress(ValueError):
            yield IPv4Address(urlsplit(one).hostname or "")


def _uplink(session: Session) -> str:
    """Return the link with the address that others know this host by, "" where none has it."""
    own = chosen_address(session)
    return next((link for link, address in network.addresses() if address == own), "")
