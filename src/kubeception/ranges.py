"""Ranges of the cluster that cover what a host has or needs: what is there is lost to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

from kubeception.config.model import Cni, Net
from kubeception.endpoints import Address
from kubeception.host import network
from kubeception.render import flannel


@dataclass(frozen=True)
class Range:
    """A range of the cluster, by its key in the [net] section."""

    key: str
    network: IPv4Network

    def __str__(self) -> str:
        return f"{self.key} {self.network}"


@dataclass(frozen=True)
class Covering:
    """A range, and the networks of this host that it covers."""

    range: Range
    networks: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.range} covers {', '.join(self.networks)}, which this host could not reach any"
            " more"
        )


def covering(net: Net) -> Iterator[Covering]:
    """Yield each range that covers a network which this host is on, or has a route to."""
    for one in _given_out(net):
        covered = tuple(
            f"{network} of {link}"
            for link, network in network.connected()
            if link not in flannel.LINKS and network.subnet_of(one.network)
        )
        if covered:
            yield Covering(one, covered)


def holding(net: Net, address: Address) -> Range | None:
    """Return the range that an address is in."""
    return next((one for one in _given_out(net) if address in one.network), None)


def _given_out(net: Net) -> Iterator[Range]:
    wanted = [("service_cluster_ip_range", net.service_cluster_ip_range)]
    if net.cni is Cni.FLANNEL:
        wanted.append(("cluster_cidr", net.cluster_cidr))
    for key, given in wanted:
        yield Range(key, IPv4Network(given, strict=False))
