"""A CA whose time is over, which no lab waits for."""

from datetime import UTC, datetime, timedelta

from kubeception.config import Config
from kubeception.endpoints import LOOPBACK
from kubeception.lab import Host
from kubeception.pki import catalog, issue


def ca(host: Host, name: str) -> str:
    """Return a CA's certificate as its key would have signed it eleven years ago, for ten."""
    config = Config()
    at = config.layout.pki
    entries = catalog.entries(config, "", LOOPBACK)
    wanted = next(one for one in entries if catalog.name(at, one.at) == name)
    long_ago = datetime.now(UTC) - timedelta(days=11 * 365)
    key = host.get(wanted.at.key).encode()
    return issue.certificate(wanted.spec, key, signer=None, now=long_ago).decode()
