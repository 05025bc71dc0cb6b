"""The resolver file that pods inherit from this host, and whether they can go by it."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from kubeception.config import cluster
from kubeception.config.model import Net
from kubeception.endpoints import Address
from kubeception.kube import dns
from kubeception.ranges import Range, holding
from kubeception.session import Session

_OF_RESOLVED = Path("/run/systemd/resolve/resolv.conf")
USUAL = Path("/etc/resolv.conf")
# Of others no resolver takes notice: resolv.conf(5).
_MOST = 3


@dataclass(frozen=True)
class Useless:
    """What is wrong with it, and what mends that."""

    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.what} ({self.mend})"


def file(session: Session) -> Path:
    """Return the resolver file that pods inherit; systemd-resolved's stub would be a loop."""
    return _OF_RESOLVED if session.host.real(_OF_RESOLVED).exists() else USUAL


def servers(session: Session) -> list[str]:
    """Return the name servers that it names, as it says them; none where it is no file."""
    try:
        lines = session.host.real(file(session)).read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [
        words[1] for line in lines if (words := line.split())[:1] == ["nameserver"] and words[1:]
    ]


def has_server(session: Session, net: Net | None) -> bool:
    """Tell whether it names a server that pods reach: beside the cluster's ranges, where known."""
    return any(_is_usable(server, net) for server in servers(session))


def problem(session: Session) -> str | None:
    """Say why no pod could inherit it: none would start."""
    path = file(session)
    found = session.host.real(path)
    if found.is_file():
        return None
    if found.exists():
        return f"{path}: is no file"
    target = Path("/") / found.relative_to(session.host.root)
    is_link = session.host.at(path).is_symlink()
    return f"{path}: leads to {target}, which isn't there" if is_link else f"{path}: no such file"


def within(session: Session, net: Net) -> Iterator[str]:
    """Yield what is wrong with each server that a range of the cluster covers."""
    for server, at in _addresses(session):
        if found := holding(net, at):
            yield _why_within(server, found, is_own=at == net.dns_ip)


def useless(session: Session) -> Useless | None:
    """Return why pods of a cluster that runs find no names of the world outside by it.

    A server within the cluster's ranges that answers is somebody's Service, and as good as others.
    """
    net = session.config.net
    lost = [
        _why_within(server, found, is_own=at == net.dns_ip)
        for server, at in _addresses(session)
        if (found := holding(net, at)) and (at == net.dns_ip or not dns.is_answered(server))
    ]
    if not lost and (named := servers(session)) and not has_server(session, None):
        copy = cluster.read(session.layout.cluster)
        if copy and copy.settings.forwards_names:
            lost = [f"pods can't ask {', '.join(named)}, and a CoreDNS here would ask itself"]
    return Useless(f"{file(session)}: {'; '.join(lost)}", _restarting(session)) if lost else None


def problem_of_servers(session: Session) -> str | None:
    """Say so in a sentence."""
    found = useless(session)
    return str(found) if found else None


def _why_within(server: str, found: Range, *, is_own: bool) -> str:
    if is_own:
        return f"{server} is the cluster's own DNS, which would ask itself"
    return f"{server} is in the cluster's own {found}, and lost to its pods"


def _restarting(session: Session) -> str:
    restart = "kubectl -n kube-system rollout restart deployment coredns"
    return f"{naming(session)}; then {restart}"


def silence(session: Session) -> str | None:
    """Say that of the servers that pods may ask none answers this host just now."""
    net = session.config.net
    found = [one for one in servers(session) if _is_usable(one, net)][:_MOST]
    if not found or any(dns.answered(found)):
        return None
    verb = "does" if len(found) == 1 else "do"
    return (
        f"{file(session)}: {', '.join(found)} {verb} not answer this host, so that its pods find no"
        " names of the world outside"
    )


def naming(session: Session) -> str:
    """Return how a person names another server in it."""
    if file(session) == USUAL:
        return f"name a server in {USUAL} that other hosts reach, too"
    return "name a server by resolvectl dns LINK ADDRESS that other hosts reach, too"


def _is_usable(server: str, net: Net | None) -> bool:
    """Tell whether a name server is neither, within a pod, the pod itself nor in the cluster."""
    at = _address(server)
    if at is None:
        return True
    return not (at.is_loopback or at.is_unspecified or (net and holding(net, at)))


def _addresses(session: Session) -> Iterator[tuple[str, Address]]:
    for server in servers(session):
        if at := _address(server):
            yield server, at


def _address(server: str) -> Address | None:
    try:
        return ip_address(server.partition("%")[0])
    except ValueError:
        return None
