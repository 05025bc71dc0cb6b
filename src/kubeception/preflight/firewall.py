"""What of this host's packet filter drops packets that a cluster lives on."""

from collections.abc import Iterator

from kubeception.diagnosis import firewall
from kubeception.host import links
from kubeception.preflight.finding import Finding, warning
from kubeception.preflight.host_state import HostState


def lets_through(seen: HostState) -> Iterator[Finding]:
    """Want no chain that drops what a host of this role needs; each is named."""
    if not seen.is_root:  # nobody else is told the rules
        return
    if seen.is_worker and not links.has_nft():  # of a control-plane host it is an error
        what = "there is no nft: rules that drop what is needed, or are flushed, are not seen"
        yield warning("FileExisting-nft", what, "apt-get install nftables")
    for one in firewall.look(seen.session, is_worker=seen.is_worker):
        chain = one.drop.chain
        kind = Finding if one.is_vital else warning
        yield kind(f"Firewall-{chain.table}-{chain.name}", str(one), one.hint)
