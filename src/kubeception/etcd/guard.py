"""Whether etcd may start on the data that are there: pure, and asked by its unit before each start.

An etcd that finds no data makes an empty cluster, with the very ids that the lost one had where it
has the same token; whoever asks it then is told that there is nothing.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kubeception.facts import Accept, Identity, Loss, Stored

_BACK = "mount its disk, or put the data back"
_ACCEPT = "kubeception bootstrap --accept"


@dataclass(frozen=True)
class Remains:
    """What there is of a cluster, and what says that there was one.

    `stored` is whose the data in `folder` are, None for no data, `index` how far their log goes,
    None where that was not asked. `identity` is what `witness` says of the host, `seen` how far
    the data were seen to go. `way_back` is how a snapshot of them is restored, if there is one.
    """

    folder: Path
    stored: Stored | None = None
    index: int | None = None
    identity: Identity | None = None
    witness: str = ""
    seen: int = 0
    way_back: str = ""


def losses(found: Remains) -> Iterator[Loss]:
    """Yield what is lost of etcd's data, or isn't this host's."""
    known, back = found.identity, f"; or {found.way_back}" if found.way_back else ""
    if known is None or not known.has_data:
        return
    if found.stored is None:
        yield Loss(
            found.folder,
            f"there are no data of etcd's, and this host has had a cluster: {found.witness}",
            f"{_BACK}{back}; or begin anew, which gives up all that the cluster knew: "
            f"{_ACCEPT} {Accept.EMPTY_ETCD}",
            Accept.EMPTY_ETCD,
        )
    elif known.cluster and found.stored.cluster and not _is_of(known, found.stored):
        theirs, ours = found.stored, known
        yield Loss(
            found.folder,
            f"these data are of etcd cluster {theirs.cluster}, member {theirs.member}, and this "
            f"host is member {ours.member} of {ours.cluster}: {found.witness}",
            f"{_BACK} that are its own{back}; or go on with these, which gives up its own cluster: "
            f"{_ACCEPT} {Accept.OTHER_ETCD}",
            Accept.OTHER_ETCD,
        )
    elif found.index is not None and found.index < found.seen:
        yield Loss(
            found.folder,
            f"these data end at entry {found.index} of etcd's log, and this host has seen "
            f"entry {found.seen}: they are older",
            f"{_BACK} that are newer{back}; or go on with these, which gives up what was written "
            f"since: {_ACCEPT} {Accept.OLDER_ETCD}",
            Accept.OLDER_ETCD,
        )


def settings_problem(text: str, *, mark: str, wanted: Iterable[str]) -> str | None:
    """Say why etcd's settings are not those that we wrote, or None.

    Without them it would start plain, open to everybody on this host, on data of its own.
    """
    if not text.strip():
        return "is empty"
    if not text.startswith(mark):
        return "was not written by kubeception"
    set_here = set(re.findall(r'^(\w+)="[^"\n]+"$', text, re.MULTILINE))
    missing = [name for name in wanted if name not in set_here]
    return f"does not set {', '.join(missing)}" if missing else None


def _is_of(known: Identity, stored: Stored) -> bool:
    return (known.cluster, known.member) == (stored.cluster, stored.member)
