"""Whether this host's packet filter lets through what a cluster lives on; docs/network.md."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from kubeception.config import Config
from kubeception.config.model import Cni
from kubeception.endpoints import (
    API_PORT,
    BOOTSTRAP_PORT,
    DNS_PORT,
    ETCD_PORT,
    HOSTED_PORTS,
    SERVICE_PORT,
)
from kubeception.gather import chosen_address
from kubeception.host import door, network, ruleset, sockets
from kubeception.host.packet_filter import Chain, Drop, Packet, dropped
from kubeception.kube import kubelet
from kubeception.render import flannel, join_service, proxy
from kubeception.session import Session

_VXLAN_PORT = 8472
_API_PORTS = (BOOTSTRAP_PORT, *HOSTED_PORTS)
_OURS = frozenset({("ip", door.TABLE), *proxy.TABLES, *flannel.TABLES})


@dataclass(frozen=True)
class Opening:
    """What lets packets through: to ports, or of a network; `network` "lo" is loopback."""

    protocol: str = ""
    ports: str = ""
    network: str = ""

    def by_nft(self, hook: str) -> Iterator[str]:
        """Yield the ends of rules."""
        if self.network == "lo":
            yield f"{'oif' if hook == 'output' else 'iif'} lo accept"
        elif self.network:
            yield f"ip saddr {self.network} accept"
            yield f"ip daddr {self.network} accept"
        else:
            yield f"{self.protocol} dport {self.ports} accept"

    def by_iptables(self, hook: str) -> Iterator[str]:
        """Yield the ends of rules."""
        if self.network == "lo":
            yield f"{'-o' if hook == 'output' else '-i'} lo -j ACCEPT"
        elif self.network:
            yield f"-s {self.network} -j ACCEPT"
            yield f"-d {self.network} -j ACCEPT"
        else:
            yield f"-p {self.protocol} --dport {self.ports.replace('-', ':')} -j ACCEPT"

    def by_ufw(self, hook: str) -> Iterator[str]:
        """Yield the ends of commands; to loopback it lets everything through by itself."""
        if self.ports:
            way = "allow out" if hook == "output" else "allow"
            yield f"{way} {self.ports.replace('-', ':')}/{self.protocol}"
        elif self.network != "lo":
            yield f"route allow from {self.network}"
            yield f"route allow to {self.network}"

    def by_firewalld(self, _hook: str) -> Iterator[str]:
        """Yield the ends of commands; the same holds here."""
        if self.ports:
            yield f"--add-port={self.ports}/{self.protocol}"
        elif self.network != "lo":
            yield f"--zone=trusted --add-source={self.network}"


@dataclass(frozen=True)
class Need:
    """Packets that have to get through, in words, and what lets them; a run may break without."""

    what: str
    packets: tuple[Packet, ...]
    opening: Opening
    is_vital: bool = False


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
            parts = [
                f"firewall-cmd {word}" for one in openings for word in one.by_firewalld(base.hook)
            ]
        elif self.by_ufw and base.table == "filter":
            parts = [f"ufw {word}" for one in openings for word in one.by_ufw(base.hook)]
        elif base.by_iptables:
            start = f"iptables -t {base.table} -I {base.name}"
            parts = [f"{start} {word}" for one in openings for word in one.by_iptables(base.hook)]
        else:
            start = f"nft insert rule {base.family} {base.table} {base.name}"
            parts = [f"{start} {word}" for one in openings for word in one.by_nft(base.hook)]
        return "; ".join(dict.fromkeys(parts))

    def __str__(self) -> str:
        return f"{self.drop} drops {', '.join(dict.fromkeys(need.what for need in self.needs))}"


def look(session: Session, *, is_worker: bool) -> list[Blocked]:
    """Return what this host's packet filter drops of what it needs."""
    chains = ruleset.read(session.host, but=_OURS)
    uplink = _uplink(session) if chains else ""
    return blocked(needs(session.config, uplink=uplink, is_worker=is_worker), chains)


def blocked(wanted: Iterable[Need], chains: Sequence[Chain]) -> list[Blocked]:
    """Return what chains drop of what is needed, by where it ends."""
    found: dict[Drop, list[Need]] = {}
    for need in wanted:
        ends = (dropped(packet, chains) for packet in need.packets)
        if end := next((one for one in ends if one), None):
            found.setdefault(end, []).append(need)
    by_ufw = any(chain.name.startswith("ufw-") for chain in chains)
    return [Blocked(drop, tuple(needs), by_ufw) for drop, needs in found.items()]


def against_the_network(session: Session) -> list[Blocked]:
    """Return what this host's packet filter drops of what the cluster's network is tried by."""
    chains = ruleset.read(session.host, but=_OURS)
    uplink = _uplink(session) if chains else ""
    return blocked(tried(session.config, uplink), chains)


def dropped_here(session: Session) -> str | None:
    """Say where packets of this host to its own API server end that is alive, None where nowhere.

    Or to the bootstrap one: then it is in vain to start that.
    """
    chains = ruleset.read(session.host, but=_OURS)
    there = sockets.listening(proc=session.host.proc) | {BOOTSTRAP_PORT}
    ends = {
        port: blocked([_own(port, original=API_PORT)], chains)
        for port in _API_PORTS
        if port in there
    }
    ports = ", ".join(str(port) for port, found in ends.items() if found)
    first = next((found[0].drop for found in ends.values() if found), None)
    return f"{first} drops tcp {ports} of this host itself" if first else None


def dropped_from_others(session: Session, port: int) -> str | None:
    """Say where packets of other hosts to an API server end that the door sends there, or None."""
    chains = ruleset.read(session.host, but=_OURS)
    uplink = _uplink(session) if chains else ""
    found = blocked([_of_the_door(uplink, port)], chains)
    return f"{found[0]} ({found[0].hint})" if found else None


def needs(config: Config, *, uplink: str, is_worker: bool) -> Iterator[Need]:
    """Yield what has to get through on a host of a role, whose address is on the link `uplink`."""
    if is_worker:
        yield _to_others("tcp", API_PORT, uplink, is_vital=True)
    else:
        yield _to_others("tcp", kubelet.PORT, uplink)
        yield from _of_control_plane(config, uplink)
    yield _from_others("tcp", kubelet.PORT, uplink)
    if config.net.cni is Cni.FLANNEL:
        yield _from_others("udp", _VXLAN_PORT, uplink)
        yield _to_others("udp", _VXLAN_PORT, uplink)
        yield from _of_pods(config, uplink)


def _of_control_plane(config: Config, uplink: str) -> Iterator[Need]:
    ports = _range(HOSTED_PORTS)
    pods = ip_network(str(config.net.cluster_cidr))
    yield _own(*_API_PORTS, original=API_PORT)
    yield _own(ETCD_PORT)
    yield _of_the_door(uplink, *HOSTED_PORTS)
    yield Need(
        f"tcp {config.kubeception.join_port} from hosts that join",
        (
            Packet(
                "forward",
                "tcp",
                join_service.PORT,
                enters=uplink,
                leaves=flannel.BRIDGE,
                destination=pods,
                original=config.kubeception.join_port,
            ),
        ),
        Opening(network=str(pods)),
    )
    if config.net.cni is Cni.FLANNEL:
        yield Need(
            f"tcp {ports} from pods, where the API's Service leads",
            tuple(
                Packet(
                    "input",
                    "tcp",
                    port,
                    enters=flannel.BRIDGE,
                    source=pods,
                    original=SERVICE_PORT,
                )
                for port in HOSTED_PORTS
            ),
            Opening("tcp", ports),
            is_vital=True,
        )


def _of_the_door(uplink: str, *ports: int) -> Need:
    return Need(
        f"tcp {_range(ports)} from other hosts, where port {API_PORT} leads",
        tuple(Packet("input", "tcp", port, enters=uplink, original=API_PORT) for port in ports),
        Opening("tcp", _range(HOSTED_PORTS)),
    )


def _own(*ports: int, original: int = 0) -> Need:
    packets = [
        packet
        for port in ports
        for packet in (
            Packet("output", "tcp", port, leaves="lo", original=original),
            Packet("input", "tcp", port, enters="lo", original=original),
        )
    ]
    return Need(
        f"tcp {_range(ports)} of this host itself",
        tuple(packets),
        Opening(network="lo"),
        is_vital=True,
    )


def _from_others(protocol: str, port: int, uplink: str) -> Need:
    return Need(
        f"{protocol} {port} from other hosts",
        (Packet("input", protocol, port, enters=uplink),),
        Opening(protocol, str(port)),
    )


def _to_others(protocol: str, port: int, uplink: str, *, is_vital: bool = False) -> Need:
    return Need(
        f"{protocol} {port} to other hosts",
        (Packet("output", protocol, port, leaves=uplink),),
        Opening(protocol, str(port)),
        is_vital,
    )


def _of_pods(config: Config, uplink: str) -> Iterator[Need]:
    pods = ip_network(str(config.net.cluster_cidr))
    opening = Opening(network=str(pods))
    ways = ((flannel.BRIDGE, flannel.LINK), (flannel.LINK, flannel.BRIDGE))
    yield Need(
        "what pods of two hosts send each other",
        tuple(
            Packet(
                "forward",
                "udp",
                DNS_PORT,
                enters=enters,
                leaves=leaves,
                source=pods,
                destination=pods,
            )
            for enters, leaves in ways
        ),
        opening,
    )
    yield Need(
        "what pods send to other hosts",
        (
            Packet(
                "forward", "tcp", SERVICE_PORT, enters=flannel.BRIDGE, leaves=uplink, source=pods
            ),
        ),
        opening,
    )


def tried(config: Config, uplink: str) -> Iterator[Need]:
    """Yield what has to get through for the cluster's network to answer whoever tries it."""
    pods = ip_network(str(config.net.cluster_cidr))
    yield _to_others("tcp", API_PORT, uplink)
    if config.net.cni is Cni.FLANNEL:
        yield _from_others("udp", _VXLAN_PORT, uplink)
        yield _to_others("udp", _VXLAN_PORT, uplink)
        yield from _of_pods(config, uplink)
        yield Need(
            "what pods send to nodes",
            tuple(
                Packet("forward", "tcp", port, enters=flannel.BRIDGE, leaves=uplink, source=pods)
                for port in (API_PORT, kubelet.PORT)
            ),
            Opening(network=str(pods)),
        )
    yield Need(
        "what this host asks the cluster's DNS",
        (Packet("output", "udp", DNS_PORT, original=DNS_PORT),),
        Opening("udp", str(DNS_PORT)),
    )


def _range(ports: tuple[int, ...]) -> str:
    return f"{ports[0]}-{ports[-1]}" if len(ports) > 1 else str(ports[0])


def _uplink(session: Session) -> str:
    """Return the link with the address that others know this host by, "" where none has it."""
    own = chosen_address(session)
    return next((link for link, address in network.addresses() if address == own), "")
