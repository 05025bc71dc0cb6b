"""All that filters packets on this host, but for what kube-proxy, flannel and the door made."""

import contextlib
from collections.abc import Collection
from pathlib import Path

from kubeception.errors import KubeceptionError
from kubeception.host import iptables, links, nftables
from kubeception.host.gateway import Host
from kubeception.host.packet_filter import LEGACY, Chain
from kubeception.host.process import run

# The kernel says by this of which tables it keeps rules beside nftables.
_LEGACY_TABLES = Path("net/ip_tables_names")


def read(host: Host, *, but: Collection[tuple[str, str]]) -> list[Chain]:
    """Return every chain of others, `but` for those of some tables; none where nobody can tell."""
    return [*_legacy(host), *_of_nftables(host, but=but)]


def _legacy(host: Host) -> list[Chain]:
    """Return what iptables keeps where it is of before nftables, or is told to be so."""
    try:
        if not (host.proc / _LEGACY_TABLES).read_text().strip():
            return []
    except OSError:  # the kernel has none, or doesn't say so
        return []
    for program in (f"{LEGACY}-save", "iptables-save"):
        with contextlib.suppress(KubeceptionError):  # there may be one of the two
            return iptables.chains(host.run([program]).stdout, family=LEGACY)
    return []


def _of_nftables(host: Host, *, but: Collection[tuple[str, str]]) -> list[Chain]:
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
