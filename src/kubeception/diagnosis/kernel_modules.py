"""What this host's kernel lacks of what its cluster's network is made of, or would be."""

from collections.abc import Iterator

from kubeception.config import cluster
from kubeception.config.model import Cni, ProxyMode
from kubeception.gather import has_nftables_proxy
from kubeception.host import network_modules
from kubeception.host.network_modules import Lack
from kubeception.session import Session


def lacking(session: Session) -> Iterator[Lack]:
    """Yield what is missing: by what the cluster goes by, or else by what this host asks for."""
    copy = cluster.read(session.layout.cluster)
    net = copy.settings.net if copy else session.config.net
    by_kernel = ProxyMode.NFTABLES if has_nftables_proxy() else ProxyMode.IPTABLES
    yield from network_modules.lacking(
        session.host,
        network_modules.LINKS if net.cni is Cni.FLANNEL else {},
        network_modules.RULES if (net.proxy_mode or by_kernel) is ProxyMode.NFTABLES else {},
    )
