"""What a worker remembers of its cluster: the file that makes a host one."""

import json
from dataclasses import asdict
from pathlib import Path

from kubeception.facts import Membership


def read(path: Path) -> Membership | None:
    """Read it, None where there is none that can be read: who joins again gets it anew."""
    try:
        found = json.loads(path.read_text())
        return Membership(
            apiservers=tuple(found["apiservers"]),
            cluster_dns=found["cluster_dns"],
            cluster_domain=found["cluster_domain"],
            joined_by=found.get("joined_by", ""),
            joined_at=found.get("joined_at", ""),
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def text(membership: Membership) -> str:
    """Return it as the file's text."""
    return json.dumps(asdict(membership), indent=2, sort_keys=True) + "\n"
