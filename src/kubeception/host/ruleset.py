"""All that filters packets on this host, but for what kube-proxy, flannel and the door made."""

from collections.abc import Collection

from kubeception.errors import KubeceptionError
from kubeception.host import iptables, links, nftables
from kubeception.host.gateway import Host
from kubeception.host.packet_filter import Chain
from kubeception.host.process import run

# What iptables of version 1 keeps is not seen here: nft doesn't know of it.


def read(host: Host, *, but: Collection[tuple[str, str]]) -> list[Chain]:
    """Return every chain of others, `but` for those of some tables; none where nft can't tell."""
    if not links.has_nft():
        return []
    listed = run(["nft", "--json", "list", "ruleset"], check=False)
    if listed.code != 0:
        return []
    found = [one for one in nftables.chains(listed.stdout) if (one.family, one.table) not in but]
    if nftables.lack_links(found):
        told = run(["nft", "list", "chains"], check=False).stdout
        found = nftables.with_links(found, told)
    if not any(one.by_iptables for one in found):
        return found
    try:
        saved = iptables.chains(host.run(["iptables-save"]).stdout)
    except KubeceptionError:  # it is told as far as nft understands it
        return found
    tables = {one.table for one in saved}
    return saved + [one for one in found if one.family != "ip" or one.table not in tables]
