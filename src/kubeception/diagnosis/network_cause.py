"""Why the cluster's network does not work on this host, where that can be told."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv4Address
from pathlib import Path

from kubeception import conditions, host_network, resolver, standstill
from kubeception.conditions.reading import node_addresses
from kubeception.config.model import Cni
from kubeception.diagnosis import dns_cause, firewall, kernel_modules
from kubeception.errors import ApiError, KubeceptionError
from kubeception.gather import chosen_address, node_name
from kubeception.host import links, network, sysctl
from kubeception.host.network import Dropped
from kubeception.kube.client import Object
from kubeception.render import flannel, networkd
from kubeception.resources.kernel_value import Forwarding, KernelValue
from kubeception.resources.node_rules import FLANNEL, of_this_host
from kubeception.resources.rewritten import Rewritten
from kubeception.session import Session

_STRICT = "1"
_NOTHING = Dropped()
# One or two may have come from anywhere; another host tries three times.
_DAMAGED = 3
# So many other nodes are asked for: what leads elsewhere leads many there.
_PEERS = 8
# What VXLAN adds to a packet, in bytes (RFC 7348, with IPv4).
_OF_VXLAN = 50


@dataclass(frozen=True)
class Cause:
    """What keeps the network from working, and the command that mends it, where there is one."""

    what: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.what} ({self.mend})" if self.mend else self.what


def look(
    session: Session,
    *,
    is_dns: bool = False,
    is_masquerade: bool = False,
    is_large: bool = False,
    is_between_nodes: bool = False,
    dropped: Dropped = _NOTHING,
) -> Cause | None:
    """Return the first cause that is sure, or that is likely for what does not work.

    `dropped` is what the kernel has dropped while it was tried, or shortly before.
    """
    places = {
        _without_containers: True,
        _without_masquerading: is_masquerade,
        _too_large: is_large,
        _configured: session.config.net.cni is Cni.FLANNEL,
        _managed: session.config.net.cni is Cni.FLANNEL,
        _without_modules: True,
        _dropping: True,
        _taken_away: True,
        _of_proxy: True,
        _of_flannels_link: session.config.net.cni is Cni.FLANNEL,
        _closed: True,
        _ends_elsewhere: session.config.net.cni is Cni.FLANNEL and is_between_nodes,
        _led_elsewhere: session.config.net.cni is Cni.FLANNEL,
        _strict: dropped.by_source > 0,
        _of_the_resolver: is_dns,
        _of_coredns: is_dns,
        _damaged: session.config.net.cni is Cni.FLANNEL and dropped.by_checksum >= _DAMAGED,
    }
    causes = (cause for place, counts in places.items() if counts for cause in place(session))
    return next(causes, None)


def _without_containers(session: Session) -> Iterator[Cause]:
    """Yield what comes before the rules that are gone: those who keep them can't start."""
    if found := standstill.look(session):
        yield Cause(found.what, found.mend)


def _without_masquerading(session: Session) -> Iterator[Cause]:
    if FLANNEL in of_this_host(session) and not FLANNEL.masquerades():
        family, table = FLANNEL.table
        yield Cause(f"chain {family} {table} {FLANNEL.chain} masquerades nothing", FLANNEL.mend)


def _too_large(session: Session) -> Iterator[Cause]:
    """Yield that the way out of this host carries less than flannel's link, with VXLAN's header."""
    own, sent = chosen_address(session), links.mtu(flannel.LINK) + _OF_VXLAN
    for link, address in network.addresses():
        if address == own and links.mtu(link) < sent:
            yield Cause(
                f"{link} carries packets of {links.mtu(link)} bytes, and pods' come as {sent}",
                f"ip link set {link} mtu {sent}",
            )


def _configured(session: Session) -> Iterator[Cause]:
    """Yield that somebody's settings for the host's own links have ours, too."""
    states = session.host.at(Path("/", networkd.STATES))
    for link in flannel.LINKS:
        if file := links.network_file(link, states):
            later = Path(file).with_name(f"90-{Path(file).name}")
            mend = f"mv {file} {later}; networkctl reload"
            what = f"systemd-networkd configures {link}, by {file}"
            is_first = Path(file).name < session.config.layout.networkd.name
            yield Cause(what, mend if is_first else standstill.run_again(session))


def _managed(session: Session) -> Iterator[Cause]:
    """Yield that NetworkManager configures a link of ours."""
    has_ours = session.host.at(session.config.layout.network_manager).exists()
    for link in sorted(links.managed() & {*flannel.LINKS}):
        mend = f"nmcli device set {link} managed no"
        yield Cause(
            f"NetworkManager configures {link}",
            mend if has_ours else standstill.run_again(session),
        )


def _without_modules(session: Session) -> Iterator[Cause]:
    """Yield what the kernel lacks, as after an update that came without its other modules."""
    for one in kernel_modules.lacking(session):
        yield Cause(str(one), one.hint)


def _dropping(session: Session) -> Iterator[Cause]:
    for one in firewall.against_the_network(session):
        yield Cause(str(one), one.hint)


def _taken_away(session: Session) -> Iterator[Cause]:
    """Yield what the keeper also puts back, a moment later."""
    for one, why in host_network.drifted(host_network.look(session)):
        if isinstance(one, Rewritten) and (absence := one.program.absence(session)):
            nobody, mend = absence
            yield Cause(f"{one} {why}, and {nobody}", mend)
            continue
        mend = one.mend if isinstance(one, (KernelValue, Forwarding, Rewritten)) else ""
        yield Cause(f"{one} {why}", mend)


def _of_proxy(session: Session) -> Iterator[Cause]:
    """Yield what keeps Services as they were."""
    if problem := conditions.proxy_works().problem(session):
        yield Cause(problem)


def _of_flannels_link(session: Session) -> Iterator[Cause]:
    if links.has_link(flannel.BRIDGE) and not links.is_up(flannel.BRIDGE):
        yield Cause(f"link {flannel.BRIDGE} is not up", f"ip link set {flannel.BRIDGE} up")
    made, own = links.tunnel(flannel.LINK), chosen_address(session)
    if made and own and made[1] != str(own):
        through = f"{made[0]} ({made[1]})"
        yield Cause(
            f"link {flannel.LINK} goes through {through}, and this host by {own}", FLANNEL.mend
        )


def _closed(session: Session) -> Iterator[Cause]:
    net = session.config.net
    for address in (net.apiserver_ip, net.dns_ip):
        if route := links.closed_route(address):
            yield Cause(f"route {route}", f"ip route del {route}")


def _ends_elsewhere(session: Session) -> Iterator[Cause]:
    """Yield the Nodes of which somebody has told flannel that they are elsewhere.

    Every other flannel goes by that at once, and by the right one as soon. A worker's kubelet may
    read no Node but its own.
    """
    for node in _nodes(session):
        name, own = node["metadata"]["name"], node_addresses(node)
        if end := flannel.end_elsewhere(node, own):
            what = f"what is for pods of node {name} is sent to {end}, and the node is {own[0]}"
            note = f"{flannel.END}={own[0]}"
            yield Cause(what, f"kubectl annotate node {name} {note} --overwrite")


def _nodes(session: Session) -> list[Object]:
    try:
        return session.api.list("Node")
    except ApiError as error:
        if error.status != HTTPStatus.FORBIDDEN:
            return []
    with contextlib.suppress(KubeceptionError):
        found = session.api.get("Node", node_name(session))
        return [found] if found else []
    return []


def _led_elsewhere(session: Session) -> Iterator[Cause]:
    """Yield the routes, or the tables of rules, that keep packets from whom they are for."""
    for address, link in _ways(session).items():
        for route in _routes(session, address):
            if route is None:
                yield Cause(f"no route leads to {address}, which is behind {link}")
            elif route.link != link:
                what = f"packets to {address} go by {route.link}, and not by {link}: route {route}"
                yield Cause(what, f"ip route del {route}")


def _ways(session: Session) -> dict[IPv4Address, str]:
    """Return addresses of other nodes and of their pods, with the link that leads there."""
    ranges = network.ranges(flannel.LINK, proc=session.host.proc)[:_PEERS]
    ways = {pods.network_address: flannel.LINK for pods in ranges}
    if made := links.tunnel(flannel.LINK):
        ways |= dict.fromkeys([*links.tunnels(flannel.LINK).values()][:_PEERS], made[0])
    return ways


def _routes(session: Session, address: IPv4Address) -> Iterator[links.Route | None]:
    """Yield the route of what this host sends to an address, and of what its pods send."""
    yield links.route(address)
    for link, pods in network.connected(proc=session.host.proc):
        if link == flannel.BRIDGE:
            yield links.route(address, source=pods[-2], via=link)


def _strict(session: Session) -> Iterator[Cause]:
    own = chosen_address(session)
    uplinks = [link for link, address in network.addresses() if address == own]
    for link in ("all", *uplinks, flannel.LINK, flannel.BRIDGE):
        key = f"net/ipv4/conf/{link}/rp_filter"
        if sysctl.value(key) == _STRICT:
            name = sysctl.shown(key)
            yield Cause(f"{name} is {_STRICT}, and has dropped packets", f"sysctl -w {name}=2")


def _damaged(_session: Session) -> Iterator[Cause]:
    """Yield that packets are wrong as they come: by offloading that does not know VXLAN's own."""
    yield Cause(
        "packets come with wrong checksums, which the network card of another host, or what stands"
        " for one, leaves out within VXLAN",
        f"on every host: ethtool -K {flannel.LINK} tx-checksum-ip-generic off",
    )


def _of_the_resolver(session: Session) -> Iterator[Cause]:
    """Yield that a CoreDNS here asks itself, by which it ends."""
    if found := resolver.useless(session):
        yield Cause(found.what, found.mend)


def _of_coredns(session: Session) -> Iterator[Cause]:
    for what, mend in dns_cause.look(session):
        yield Cause(what, mend)
