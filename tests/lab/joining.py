"""Hosts that only join: a token, a name and an address each, and a cluster that takes them in.

Runs in a lab's network, from where the lab's hosts are reached:
`joining.py FOLDER ADDRESS NETWORK COUNT one-by-one|at-once`, with the administrator's files below
FOLDER. Prints, as JSON, the status and the seconds of each.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from tests.joiner import Joiner

from kubeception.admin import tokens
from kubeception.config import Config
from kubeception.host.gateway import Host
from kubeception.session import Session

PORT = 30000
PATIENCE_S = 150


def candidates(session: Session, network: str, count: int) -> list[Joiner]:
    """Return hosts that have what it takes."""
    found = []
    for one in range(1, count + 1):
        # All are seen from the lab's own address.
        token, _ = tokens.create(session, node=None, any_source=True, ttl=timedelta(hours=1))
        found.append(Joiner(token, f"host-{network}-{one}", (f"10.99.{network}.{one}",)))
    return found


def main(folder: str, address: str, network: str, count: str, how: str) -> None:
    config, root = Config(), Path(folder)
    admin = config.layout.at(root).pki.admin
    url = f"https://{address}:6443"
    with Session(config, Host(root), api_url=url, client=admin) as session:
        hosts = candidates(session, network, int(count))

    def join(host: Joiner) -> tuple[int, float]:
        started = time.monotonic()
        said = host.persist(PORT, address, patience_s=PATIENCE_S)
        return said.status, time.monotonic() - started

    with ThreadPoolExecutor(len(hosts) if how == "at-once" else 1) as pool:
        print(json.dumps(list(pool.map(join, hosts))))


if __name__ == "__main__":
    main(*sys.argv[1:])
