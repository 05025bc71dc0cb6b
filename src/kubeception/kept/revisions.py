"""Revisions of the hosted API server, kept on this host: the last ones proven, and the last broken.

What lies here starts the control plane where neither an API nor our configuration can say how.
"""

import functools
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from kubeception import timestamp, versions
from kubeception.facts import Proven
from kubeception.host import files
from kubeception.render import apiserver, revision
from kubeception.versions import Release

log = logging.getLogger("kubeception.keeper")

KEPT = 2
PROVEN = "proven-*.json"
_BROKEN = "broken.json"


@dataclass(frozen=True)
class Kept:
    """A proven revision and when it was proven (UTC)."""

    proven: Proven
    since: str


@dataclass(frozen=True)
class Broken:
    """A revision that was put back: why, when (UTC), and the digest of what we had rendered.

    `settings` is empty where the revision was somebody's edit.
    """

    revision: str
    why: str
    since: str
    settings: str = ""


def keep(folder: Path, proven: Proven, now: datetime) -> None:
    """Keep a revision as the newest proven one, and forget all but the last few."""
    document = {**asdict(proven), "since": timestamp.text(now)}
    path = folder / f"proven-{proven.revision}.json"
    files.write(path, json.dumps(document, indent=2, sort_keys=True) + "\n", mode=0o600)
    staying = {f"proven-{one.proven.revision}.json" for one in kept(folder)[:KEPT]}
    for path in folder.glob(PROVEN):
        if path.name not in staying:
            files.remove(path)


def kept(folder: Path) -> list[Kept]:
    """Return the proven revisions, the newest first."""
    return sorted(_read(folder), key=lambda one: one.since, reverse=True)


def newest(folder: Path, release: Release) -> Proven | None:
    """Return the newest one that a kubelet can start beside a release, None if there is none."""
    for one in kept(folder):
        if why := unfit(one.proven, release):
            log.debug("revision %s: %s", one.proven.revision, why)
        else:
            return one.proven
    return None


def unfit(proven: Proven, release: Release) -> str | None:
    """Say why a revision is not to be started beside a release any more, or None.

    An API server may be one minor older than what wrote to its etcd, and no more
    (https://kubernetes.io/releases/version-skew-policy/).
    """
    if why := revision.needs_an_api(dict(proven.template)):
        return why
    image = revision.image_of(dict(proven.template))
    minor = versions.minor_of(image)
    if minor is not None and minor not in release.supported["kube-apiserver"]:
        return f"{image} is not of {release.kubernetes}, nor of the minor before"
    return None


def put_back(folder: Path, broken: Broken) -> None:
    """Remember a revision that was put back; only the last one is of interest."""
    files.write(folder / _BROKEN, json.dumps(asdict(broken), indent=2) + "\n")


def forget_broken(folder: Path) -> None:
    """Forget the revision that was put back last."""
    files.remove(folder / _BROKEN)


def broken(folder: Path) -> Broken | None:
    """Return the revision that was put back last, None if there was none."""
    try:
        return Broken(**json.loads((folder / _BROKEN).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def note(broken: Broken) -> str:
    """Return how a revision that was put back is told on the DaemonSet, to other hosts."""
    return json.dumps(asdict(broken), sort_keys=True)


def refused_by(metadata: Mapping[str, Any]) -> Broken:
    """Return the revision that a DaemonSet says was put back; one of no name if it says none."""
    try:
        return Broken(**json.loads(metadata.get("annotations", {})[apiserver.REFUSED_NOTE]))
    except (KeyError, ValueError, TypeError):
        return Broken("", "", "")


def _read(folder: Path) -> Iterator[Kept]:
    for path in folder.glob(PROVEN):
        try:
            document = json.loads(path.read_text())
            since = document.pop("since")
            found = Kept(Proven(**document), since)
            if revision.identity(dict(found.proven.template)) == found.proven.revision:
                yield found
            else:
                log.debug("%s: is not what was proven", path)
        except (OSError, ValueError, TypeError, KeyError) as error:
            _tell(path, str(error))


# Whoever looks does so again and again.
@functools.cache
def _tell(path: Path, why: str) -> None:
    log.warning("%s: not a revision that was kept: %s; the next proof replaces it", path, why)
