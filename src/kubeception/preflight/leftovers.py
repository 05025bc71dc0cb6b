"""What an earlier or another tool has left here that would be in the way, with what removes it."""

from collections.abc import Iterator
from ipaddress import ip_network

from kubeception import resolver as resolvers
from kubeception.config.model import Cni
from kubeception.diagnosis import other_networks
from kubeception.host import network
from kubeception.preflight.finding import Finding, of_path, warning
from kubeception.preflight.host_state import HostState
from kubeception.render import flannel


def networks(seen: HostState) -> Iterator[Finding]:
    """Want no other network's settings before flannel's: a runtime takes the first by name."""
    for one in other_networks.look(seen.session):
        yield Finding(of_path("FileContent", one.path), str(one), one.hint)


def resolver(seen: HostState) -> Iterator[Finding]:
    """Want the file that pods inherit, with a server that they reach.

    Not the host's loopback, nor one within the cluster's ranges. Once those were given out it is
    only told: a run may have something else to mend.
    """
    path = resolvers.file(seen.session)
    check = of_path("FileContent", path)
    net = None if seen.is_without_ranges else seen.config.net
    if why := resolvers.problem(seen.session):
        what = f"{why}: no pod could start, for want of what it inherits"
        yield Finding(check, what, f"rm -rf {path}; echo nameserver ADDRESS > {path}")
    elif seen.layout.cluster.exists() and (found := resolvers.useless(seen.session)):
        yield warning(check, found.what, found.mend)
    elif net and not seen.layout.cluster.exists() and any(resolvers.within(seen.session, net)):
        what = f"{path}: {'; '.join(resolvers.within(seen.session, net))}"
        other = "have a range in the [net] section that nothing else has"
        yield Finding(check, what, f"{resolvers.naming(seen.session)}, or {other}")
    elif not resolvers.has_server(seen.session, net):
        servers = resolvers.servers(seen.session)
        what = f"pods can't ask {', '.join(servers)}" if servers else "it names no server"
        yield warning(
            check,
            f"{path}: {what}, so the cluster's DNS will know no names of the world outside",
            f"{resolvers.naming(seen.session)}; then kubeception bootstrap",
        )


def bridge(seen: HostState) -> Iterator[Finding]:
    """Want no bridge of another network under the name of ours: it keeps its address."""
    if seen.config.net.cni is not Cni.FLANNEL:
        return
    ours = ip_network(str(seen.config.net.cluster_cidr))
    for link, address in network.addresses():
        if link == flannel.BRIDGE and address not in ours:
            yield Finding(
                f"Link-{link}",
                f"{link} has the address {address} of another network, and pods of this one get"
                f" theirs from {ours}: none would start",
                f"ip link delete {link}",
            )
