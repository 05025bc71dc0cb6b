"""Ranges of the cluster that cover a network which a host is on: what is there is lost to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

from kubeception.config.model import Cni, Net
from kubeception.host import network
from kubeception.render import flannel


@dataclass(frozen=True)
class Covering:
    """A range, by its key in the [net] section, and the networks of this host that it covers."""

    key: str
    range: IPv4Network
    networks: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.key} {self.range} covers {', '.join(self.networks)}, which this host could not"
            " reach any more"
        )


def covering(net: Net) -> Iterator[Covering]:
    """Yield each range that covers a network which this host is on, or has a route to."""
    wanted = [("service_cluster_ip_range", net.service_cluster_ip_range)]
    if net.cni is Cni.FLANNEL:
        wanted.append(("cluster_cidr", net.cluster_cidr))
    for key, given in wanted:
        own = IPv4Network(given, strict=False)
        covered = tuple(
            f"{network} of {link}"
            for link, network in network.connected()
            if link not in flannel.LINKS and network.subnet_of(own)
        )
        if covered:
            yield Covering(key, own, covered)
