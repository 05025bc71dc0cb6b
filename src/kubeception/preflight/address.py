"""The node's name and address, which go into certificates and into etcd's membership."""

from collections.abc import Iterator

from kubeception import gather
from kubeception.config import names
from kubeception.host import network
from kubeception.preflight.finding import Finding, warning
from kubeception.preflight.host_state import HostState
from kubeception.ranges import covering

_CHOOSE = "set address in the [node] section of the configuration"


def node_name(seen: HostState) -> Iterator[Finding]:
    """Want a host name that can be a node's, unless another one is configured."""
    problem = names.node_problem(seen.node)
    # A control plane's kubelet gets its certificates here, where nobody asks what it is called.
    if problem is None and seen.is_worker:
        problem = names.Reserved().node_problem(seen.node)
    if problem:
        yield Finding("Hostname", problem, names.CALL_OTHERWISE)


def remembered(seen: HostState) -> Iterator[Finding]:
    """Tell of another name or a better route of this host, which change nothing by themselves."""
    for what, hint in gather.changes(seen.session):
        yield warning("Identity", what, hint)


def of_this_host(seen: HostState) -> Iterator[Finding]:
    """Want an address, and one that this host has."""
    if seen.address is None:
        yield Finding("Address", "there is no default route to take the address from", _CHOOSE)
    elif not network.has_address(seen.address):
        outer = {at for _, at in network.addresses() if not at.is_loopback}
        have = ", ".join(map(str, sorted(outer)))
        yield Finding(
            "Address",
            f"{seen.address} is not on this host, which has {have or 'none'}",
            f"{_CHOOSE}, or take it out for the default route's",
        )


def choice(seen: HostState) -> Iterator[Finding]:
    """Want the user to choose where several addresses are as good as each other.

    The address of the one best default route is what everybody expects. Two best routes leave it
    to chance, which is an error unless this host goes by that address already. Others that lead
    out, or further addresses beside it, are worth a word before the first bootstrap.
    """
    if seen.config.node.address or seen.address is None or _is_settled(seen):
        return
    routes = network.default_routes()
    leading = {route.interface for route in routes}
    best = {route.interface for route in routes if route.metric == routes[0].metric}
    candidates = sorted((name, at) for name, at in network.addresses() if name in leading)
    if len(candidates) < 2:
        return
    names = ", ".join(f"{at} ({name})" for name, at in candidates)
    if len(best) > 1:
        yield Finding("Address", f"several default routes, and no address chosen: {names}", _CHOOSE)
    else:
        what = f"several addresses and none chosen: {names}; {seen.address} is taken"
        yield warning("Address", what, _CHOOSE)


def ranges(seen: HostState) -> Iterator[Finding]:
    """Want ranges of the cluster that cover no network of this host's: what is there is lost to it.

    Once they were given out they stay, so that it is only told. Which they are, nobody has said yet
    to a host that is to join.
    """
    if seen.is_without_ranges:
        return
    found = warning if seen.layout.cluster.exists() else Finding
    for one in covering(seen.config.net):
        hint = f"set {one.range.key} in the [net] section to a range that nothing else has"
        yield found(f"Net-{one.range.key}", str(one), hint)


def _is_settled(seen: HostState) -> bool:
    """Whether this host's etcd, or a worker's kubelet, goes by that address already."""
    at = seen.layout
    path = at.kubelet.environment if seen.is_worker else at.etcd.environment
    try:
        settings = path.read_text()
    except OSError:
        return False
    return (f"--node-ip={seen.address}" if seen.is_worker else f"//{seen.address}:2379") in settings
