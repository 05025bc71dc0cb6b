"""The resolver file that pods inherit from this host, and whether they can go by it."""

from ipaddress import ip_address
from pathlib import Path

from kubeception.session import Session

_OF_RESOLVED = Path("/run/systemd/resolve/resolv.conf")
USUAL = Path("/etc/resolv.conf")


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


def has_server(session: Session) -> bool:
    """Tell whether it names a server that pods reach."""
    return not all(map(_is_own_loopback, servers(session)))


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


def _is_own_loopback(server: str) -> bool:
    """Tell whether a name server's address is, within a pod, the pod itself."""
    try:
        return ip_address(server.partition("%")[0]).is_loopback
    except ValueError:
        return False
