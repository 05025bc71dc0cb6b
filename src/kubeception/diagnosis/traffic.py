"""What has to get through a host's packet filter for a cluster to live: packets, by role."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network

from kubeception.config import Config
from kubeception.config.model import Cni
from kubeception.diagnosis.opening import Opening
from kubeception.endpoints import (
    API_PORT,
    BOOTSTRAP_PORT,
    DNS_PORT,
    ETCD_PORT,
    HOSTED_PORTS,
    NODE_PORTS,
    SERVICE_PORT,
)
from kubeception.host.packet_filter import ARP, BRIDGE, Packet
from kubeception.kube import kubelet
from kubeception.render import flannel, join_service

API_PORTS = (BOOTSTRAP_PORT, *HOSTED_PORTS)
_VXLAN_PORT = 8472


@dataclass(frozen=True)
class Around:
    """What a host knows of what is around it: the link with its address, and other hosts.

    `peers` are nodes of its cluster, `apis` are where a worker asks the API.
    """

    uplink: str = ""
    peers: tuple[IPv4Address, ...] = ()
    apis: tuple[IPv4Address, ...] = ()


@dataclass(frozen=True)
class Need:
    """Packets that have to get through, in words, and what lets them; a run may break without.

    `of_one`: one host's, which are no news where anybody's end; those are told before.
    """

    what: str
    packets: tuple[Packet, ...]
    opening: Opening
    is_vital: bool = False
    of_one: bool = False
    is_answered: bool = True

    @property
    def answers(self) -> Iterator["Need"]:
        """What has to come back, where something has to."""
        if self.is_answered:
            yield replace(
                self,
                what=f"answers to {self.what}",
                packets=tuple(packet.answer for packet in self.packets),
                opening=replace(self.opening, of_answers=bool(self.opening.ports)),
                is_answered=False,
            )


def needs(config: Config, around: Around, *, is_worker: bool) -> Iterator[Need]:
    """Yield what has to get through on a host of a role."""
    uplink = around.uplink
    if is_worker:
        yield _to_others("tcp", API_PORT, uplink, is_vital=True)
    else:
        yield _to_others("tcp", kubelet.PORT, uplink)
        yield from _of_control_plane(config, uplink)
    yield _from_others("tcp", kubelet.PORT, uplink)
    yield _of_neighbours(uplink)
    if config.net.cni is Cni.FLANNEL:
        yield from _of_flannel(config, around)
    yield from _of_callers(around, is_worker=is_worker)


def _of_control_plane(config: Config, uplink: str) -> Iterator[Need]:
    ports = _range(HOSTED_PORTS)
    pods = IPv4Network(str(config.net.cluster_cidr))
    yield own(*API_PORTS, original=API_PORT)
    yield own(ETCD_PORT)
    yield of_the_door(uplink, *HOSTED_PORTS)
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


def of_the_door(uplink: str, *ports: int) -> Need:
    """Return what comes from other hosts to API servers by way of the door."""
    return Need(
        f"tcp {_range(ports)} from other hosts, where port {API_PORT} leads",
        tuple(_through_the_door(uplink, ports)),
        Opening("tcp", _range(HOSTED_PORTS)),
    )


def _through_the_door(
    uplink: str, ports: Iterable[int], source: IPv4Network | None = None
) -> Iterator[Packet]:
    for port in ports:
        yield Packet("input", "tcp", port, enters=uplink, source=source, original=API_PORT)


def own(*ports: int, original: int = 0) -> Need:
    """Return what this host sends itself by loopback: to ports, and to the one that leads there."""
    packets = [
        packet
        for port in ports
        for asked in sorted({0, original})
        for packet in (
            Packet("output", "tcp", port, leaves="lo", original=asked),
            Packet("input", "tcp", port, enters="lo", original=asked),
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
        is_answered=protocol == "tcp",
    )


def _to_others(protocol: str, port: int, uplink: str, *, is_vital: bool = False) -> Need:
    return Need(
        f"{protocol} {port} to other hosts",
        (Packet("output", protocol, port, leaves=uplink),),
        Opening(protocol, str(port)),
        is_vital,
        is_answered=protocol == "tcp",
    )


def _of_neighbours(uplink: str) -> Need:
    """Return what finds other hosts of the same network."""
    return Need(
        "ARP from and to other hosts",
        (
            Packet("input", "arp", enters=uplink, through=ARP),
            Packet("output", "arp", leaves=uplink, through=ARP),
        ),
        Opening(),
        is_vital=True,
        is_answered=False,
    )


def _of_flannel(config: Config, around: Around) -> Iterator[Need]:
    yield _from_others("udp", _VXLAN_PORT, around.uplink)
    yield _to_others("udp", _VXLAN_PORT, around.uplink)
    yield from _of_pods(config, around.uplink)
    yield from _of_peers(around)


def _of_peers(around: Around) -> Iterator[Need]:
    """Yield what goes to and fro between this host and each other, which a rule may name."""
    for peer in around.peers:
        other = IPv4Network(peer)
        yield _with(
            peer,
            f"udp {_VXLAN_PORT} from and to {peer}",
            Packet("input", "udp", _VXLAN_PORT, enters=around.uplink, source=other),
            Packet("output", "udp", _VXLAN_PORT, leaves=around.uplink, destination=other),
            is_answered=False,
        )


def _of_callers(around: Around, *, is_worker: bool) -> Iterator[Need]:
    """Yield what this host asks of others, or they of it, where a rule may name one of them."""
    uplink = around.uplink
    for api in around.apis:
        to = Packet("output", "tcp", API_PORT, leaves=uplink, destination=IPv4Network(api))
        yield _with(api, f"tcp {API_PORT} to {api}", to, is_vital=True)
        come = Packet("input", "tcp", kubelet.PORT, enters=uplink, source=IPv4Network(api))
        yield _with(api, f"tcp {kubelet.PORT} from {api}", come)
    for peer in () if is_worker else around.peers:
        to = Packet("output", "tcp", kubelet.PORT, leaves=uplink, destination=IPv4Network(peer))
        yield _with(peer, f"tcp {kubelet.PORT} to {peer}", to)
        yield _with(
            peer,
            f"tcp {_range(HOSTED_PORTS)} from {peer}, where port {API_PORT} leads",
            *_through_the_door(uplink, HOSTED_PORTS, source=IPv4Network(peer)),
        )


def _with(
    other: IPv4Address,
    what: str,
    *packets: Packet,
    is_vital: bool = False,
    is_answered: bool = True,
) -> Need:
    """Return what goes between this host and one other.

    A rule that names that one may drop answers, too, so all of its packets are to be let through.
    """
    opening = Opening(network=str(other))
    return Need(what, packets, opening, is_vital, of_one=True, is_answered=is_answered)


def _of_pods(config: Config, uplink: str) -> Iterator[Need]:
    pods = IPv4Network(str(config.net.cluster_cidr))
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
        "what this host and its pods send each other",
        (
            Packet("output", "tcp", SERVICE_PORT, leaves=flannel.BRIDGE, destination=pods),
            Packet(
                "forward",
                "tcp",
                SERVICE_PORT,
                enters=flannel.BRIDGE,
                leaves=flannel.BRIDGE,
                source=pods,
                destination=pods,
            ),
            Packet("input", "tcp", SERVICE_PORT, source=pods, through=BRIDGE),
            Packet("output", "tcp", SERVICE_PORT, destination=pods, through=BRIDGE),
            Packet("forward", "tcp", SERVICE_PORT, source=pods, destination=pods, through=BRIDGE),
        ),
        opening,
    )
    yield Need(
        "what comes for pods by NodePorts",
        (
            Packet(
                "forward",
                "tcp",
                SERVICE_PORT,
                enters=uplink,
                leaves=flannel.BRIDGE,
                destination=pods,
                original=NODE_PORTS[0],
            ),
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


def tried(config: Config, around: Around) -> Iterator[Need]:
    """Yield what has to get through for the cluster's network to answer whoever tries it."""
    uplink = around.uplink
    pods = IPv4Network(str(config.net.cluster_cidr))
    yield _to_others("tcp", API_PORT, uplink)
    yield _of_neighbours(uplink)
    if config.net.cni is Cni.FLANNEL:
        yield from _of_flannel(config, around)
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
