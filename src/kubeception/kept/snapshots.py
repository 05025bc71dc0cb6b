"""Snapshots of etcd's database: what there is, whether it is good, and which ones are kept.

A snapshot is one file, as `etcdctl snapshot save` makes it: the database, and the SHA-256 of that
in its last 32 bytes. Beside it lies a record of whose it is and what made it.
"""

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from kubeception import versions
from kubeception.errors import KubeceptionError
from kubeception.host import files
from kubeception.readable import readable
from kubeception.versions import Release

# Of those that the keeper makes: the last one of as many hours, and of as many days.
HOURS, DAYS = 24, 7
SUFFIX = ".db"
_RECORD = ".json"
_TIME = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"(hourly|manual)-(\d{8}T\d{6}Z)")
_DIGEST_SIZE = 32
# A database is a multiple of the smallest sector.
_SECTOR = 512


class Kind(StrEnum):
    """Who made a snapshot: the keeper removes its own ones, and nobody else's."""

    HOURLY = "hourly"
    MANUAL = "manual"


@readable
class Record(msgspec.Struct, frozen=True):
    """What is known of a snapshot: whose it is, how far it goes, and what made it.

    `authority` tells the cluster: the SHA-256 of its CA's public key. `cluster` and `member` are
    the ids of etcd's, which are other ones after a restore.
    """

    authority: str
    cluster: str
    member: str
    node: str
    revision: int
    sha256: str
    kubernetes: str
    etcd: str
    taken: str


@dataclass(frozen=True)
class Snapshot:
    """A file that claims to be one; `record` is None where nothing tells of it."""

    path: Path
    size: int
    taken: datetime
    record: Record | None = None

    @property
    def name(self) -> str:
        """What it is called among the others."""
        return self.path.name.removesuffix(SUFFIX)


def name(kind: Kind, at: datetime) -> str:
    """Return what a snapshot of a moment is called."""
    return f"{kind}-{at.astimezone(UTC):{_TIME}}"


def record_of(path: Path) -> Path:
    """Return where the record of a snapshot lies."""
    return path.with_name(path.name + _RECORD)


def found(path: Path) -> Snapshot:
    """Return the snapshot at a path.

    Raises:
        KubeceptionError: there is none, or something else than a file.
    """
    try:
        there = path.lstat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise KubeceptionError(
            f"{path}: there is no such snapshot", hint="kubeception etcd list"
        ) from error
    if not stat.S_ISREG(there.st_mode):
        raise KubeceptionError(f"{path}: is not a plain file", hint="kubeception etcd list")
    record = _read(record_of(path))
    taken = _moment(path, record) or datetime.fromtimestamp(there.st_mtime, UTC)
    return Snapshot(path, there.st_size, taken, record)


def look(folder: Path) -> list[Snapshot]:
    """Return the snapshots of a host, the newest first."""
    there = []
    for path in folder.glob(f"*{SUFFIX}"):
        with contextlib.suppress(KubeceptionError):
            there.append(found(path))
    return sorted(there, key=lambda one: (one.taken, one.name), reverse=True)


def of_kind(kind: Kind, there: Sequence[Snapshot]) -> list[Snapshot]:
    """Return those that somebody made."""
    return [one for one in there if one.name.startswith(f"{kind}-")]


def superfluous(taken: Sequence[datetime]) -> set[datetime]:
    """Return the moments of which no snapshot is kept any more.

    Kept is the last one of each of the last hours, and of each of the last days, that have one.
    """
    newest_first = sorted(taken, reverse=True)
    of_hours = _first_of_each([(f"{at:%Y%m%d%H}", at) for at in newest_first])[:HOURS]
    of_days = _first_of_each([(f"{at:%Y%m%d}", at) for at in newest_first])[:DAYS]
    return set(newest_first) - {*of_hours, *of_days}


def prune(folder: Path) -> None:
    """Remove the keeper's superfluous ones, and records and pieces that belong to none.

    Nobody takes one meanwhile.
    """
    for left in files.leftovers(folder):
        if files.finished(left).name.startswith(tuple(f"{kind}-" for kind in Kind)):
            files.remove_tree(left)
    own = of_kind(Kind.HOURLY, look(folder))
    gone = superfluous([one.taken for one in own])
    for one in own:
        if one.taken in gone:
            files.remove(one.path)
            files.remove(record_of(one.path))
    for record in folder.glob(f"*{SUFFIX}{_RECORD}"):
        if not os.path.lexists(record.with_name(record.name.removesuffix(_RECORD))):
            files.remove(record)


def damage(snapshot: Snapshot) -> str | None:
    """Say why a snapshot is not what it was, or None: its content is what its SHA-256 says."""
    try:
        handle = os.open(snapshot.path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(handle, "rb") as file:
            digest, told = _digests(file.fileno(), os.fstat(file.fileno()).st_size)
    except OSError as error:
        return (error.strerror or str(error)).lower()
    if told is None:
        return "has no SHA-256 at its end: it was cut off, or is no snapshot"
    if told != digest:
        return "its content is not what the SHA-256 at its end says"
    if snapshot.record and snapshot.record.sha256 != digest:
        return f"is another one than its record, {record_of(snapshot.path).name}, tells of"
    return None


def is_read_by(release: Release, record: Record) -> bool:
    """Tell whether a release reads what its control plane has written, where that is known."""
    minor = versions.minor_of(f":v{record.kubernetes}")
    return minor is None or minor in release.supported["kube-apiserver"]


def last_good(folder: Path, authority: str, release: Release) -> Snapshot | None:
    """Return the newest snapshot of a cluster that is not damaged, None where there is none.

    One that the release does not read is passed over, as after the way back from a minor.
    """
    return next(
        (
            one
            for one in look(folder)
            if one.record
            and one.record.authority == authority
            and is_read_by(release, one.record)
            and damage(one) is None
        ),
        None,
    )


def way_back(last: Snapshot) -> str:
    """Say how the last good one is restored, and what that costs."""
    return (
        f"restore the last good snapshot, {last.name}, which gives up what was written since: "
        "kubeception recover --from snapshot"
    )


def text(record: Record) -> str:
    """Return a record as its file's text."""
    return msgspec.json.format(msgspec.json.encode(record)).decode() + "\n"


def _moment(path: Path, record: Record | None) -> datetime | None:
    """Return when a snapshot was taken, by its name or else by its record, None for neither."""
    told = _NAME.fullmatch(path.name.removesuffix(SUFFIX))
    with contextlib.suppress(ValueError):
        if told:
            return datetime.strptime(told[2], _TIME).replace(tzinfo=UTC)
        if record:
            return datetime.fromisoformat(record.taken).astimezone(UTC)
    return None


def _first_of_each(sorted_by: Sequence[tuple[str, datetime]]) -> list[datetime]:
    firsts: dict[str, datetime] = {}
    for group, at in sorted_by:
        firsts.setdefault(group, at)
    return list(firsts.values())


def _digests(handle: int, size: int) -> tuple[str, str | None]:
    """Return the SHA-256 of a database, and the one that follows it, None for none."""
    if size % _SECTOR != _DIGEST_SIZE:
        return "", None
    digest = hashlib.sha256()
    for block in _blocks(handle, size - _DIGEST_SIZE):
        digest.update(block)
    return digest.hexdigest(), os.read(handle, _DIGEST_SIZE).hex()


def _blocks(handle: int, size: int) -> Iterator[bytes]:
    while size > 0:
        block = os.read(handle, min(size, 1 << 20))
        if not block:
            return
        size -= len(block)
        yield block


def _read(path: Path) -> Record | None:
    """Return a record; one that can't be read tells nothing."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except (OSError, ValueError):
        return None
