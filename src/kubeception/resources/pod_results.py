"""What plugins answered for pods that stand: a cache of libcni's, by which they are unplugged."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kubeception.render import flannel
from kubeception.session import Session

_FOLDER = Path("/var/lib/cni/results")


def links(session: Session) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield of each pod when it was answered, and the host's links, with their link addresses."""
    for path in session.host.at(_FOLDER).glob("*"):
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):  # another's, or gone
            of_host = {one["name"]: one["mac"] for one in _interfaces(path) if not one["sandbox"]}
            yield path.stat().st_mtime_ns, of_host


def has_namespace(session: Session, container: str, link: str) -> bool:
    """Tell whether the network namespace is there of which it is known that a link is in it."""
    path = session.host.at(_FOLDER) / f"{flannel.GIVEN_OUT.name}-{container}-{link}"
    try:
        inside = {one["sandbox"] for one in _interfaces(path) if one["sandbox"]}
    except (OSError, ValueError, LookupError, TypeError):
        return False
    return any(session.host.real(Path(one)).exists() for one in inside)


def _interfaces(path: Path) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = json.loads(path.read_bytes())["result"]["interfaces"]
    return [{"sandbox": "", **one} for one in said]
