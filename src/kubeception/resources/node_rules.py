"""The rules that kube-proxy and flannel keep in the kernel, each in tables of its own.

In nftables' mode neither looks whether they are still there: kube-proxy writes what has changed,
and all of it once an hour, flannel writes once, when it starts. So who flushed them, and be it
with the reload of a firewall, has taken them away until these programs start anew.
"""

from dataclasses import dataclass

from kubeception.conditions import node_program
from kubeception.config import cluster
from kubeception.config.model import Cni, ProxyMode
from kubeception.host import links
from kubeception.render import flannel, proxy
from kubeception.resources.rewritten import Rewritten
from kubeception.session import Session


@dataclass(frozen=True)
class NodeRules(Rewritten):
    """A program's rules, of which one chain stands for all."""

    table: tuple[str, str]
    chain: str

    def __str__(self) -> str:
        return f"{self.program.name}'s rules"

    def drift(self, _reach: Session) -> str | None:
        """Say that they are gone."""
        family, table = self.table
        has_any = links.has_rules(family, table, self.chain)
        return None if has_any else f"are gone (chain {family} {table} {self.chain})"

    def masquerades(self) -> bool:
        """Tell whether any of them has what pods send leave by their host's address."""
        family, table = self.table
        return links.has_rules(family, table, self.chain, verdict="masquerade")


_PROXY = NodeRules(node_program.PROXY, proxy.TABLES[0], chain="nat-prerouting")
FLANNEL = NodeRules(node_program.FLANNEL, flannel.TABLES[0], chain="postrtg")


def of_this_host(session: Session) -> tuple[NodeRules, ...]:
    """Return the rules that there have to be once it is in a cluster.

    In iptables' mode both programs look after theirs themselves, every half a minute.
    """
    copy = cluster.read(session.layout.cluster)
    if (
        not links.has_nft()
        or copy is None
        or copy.settings.net.proxy_mode is not ProxyMode.NFTABLES
    ):
        return ()
    return (_PROXY, FLANNEL) if copy.settings.net.cni is Cni.FLANNEL else (_PROXY,)
