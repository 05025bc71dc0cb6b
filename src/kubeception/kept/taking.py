"""Take a snapshot of the etcd that runs here: whole, proven to be good, or not at all."""

import hashlib
import json
import os
from pathlib import Path

from kubeception import crash, timestamp, versions
from kubeception.errors import KubeceptionError
from kubeception.host import files, lock
from kubeception.kept import identity, snapshots
from kubeception.kept.snapshots import Kind, Record, Snapshot
from kubeception.pki import issue
from kubeception.session import Session

# What else is on that disk, etcd itself perhaps, needs room too.
LEFT_FREE = 256 << 20


def take(session: Session, kind: Kind, *, to: Path | None = None) -> Snapshot:
    """Take one and keep it among this host's, or put it where a person wants it.

    It appears under its name once it is good, with its record before it. After an hourly one those
    that are superfluous by then are removed.

    Raises:
        KubeceptionError: etcd doesn't give one, the disk has no room, or it is damaged.
        Locked: another one is being taken.
    """
    folder = session.layout.snapshots
    with lock.hold(session.layout.snapshots_lock, "kubeception etcd snapshot"):
        if to is None:
            files.make_folder(folder, 0o700)
        name = snapshots.name(kind, session.host.clock.now()) + snapshots.SUFFIX
        path = to or folder / name
        _require_room(session, path)
        with files.private_folder(path) as place:
            part = place / "db"
            digest = fetch(session, part)
            record = _record(session, part, digest)
            files.write(snapshots.record_of(path), snapshots.text(record), mode=0o600)
            files.move(part, path)
        if kind is Kind.HOURLY:
            snapshots.prune(folder)
        return snapshots.found(path)


def status(session: Session, path: Path) -> tuple[int, int]:
    """Return the revision of a snapshot and how many keys it has; etcdutl reads all of it.

    Raises:
        KubeceptionError: it is damaged within.
    """
    program = session.config.layout.launchers / "etcdutl"
    named = session.host.named(path)
    done = session.host.run([program, "snapshot", "status", named, "-w", "json"], check=False)
    try:
        told = json.loads(done.stdout)
        return int(told["revision"]), int(told["totalKey"])
    except (ValueError, KeyError) as error:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.code}"])[-1]
        raise KubeceptionError(f"{path}: is damaged: {last}") from error


def authority(session: Session) -> str:
    """Return what tells this host's cluster from others: by its CA, or by the record of it.

    Raises:
        KubeceptionError: there is neither.
    """
    at = session.layout.pki.ca.certificate
    known = identity.read(session.layout.member)
    try:
        pem = at.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        pem = known.authorities.get("ca", "").encode() if known else b""
    if not issue.is_certificate(pem):
        raise KubeceptionError(
            f"{at}: is no certificate, so nothing says which cluster this is",
            hint="kubeception preflight",
        )
    return authority_of(pem)


def authority_of(ca: bytes) -> str:
    """Return what tells the cluster of a CA from others; signed anew it stays the same."""
    return hashlib.sha256(issue.public_key_of(ca)).hexdigest()


def fetch(session: Session, part: Path) -> str:
    """Write the database with its SHA-256 to a new file, and return that.

    Raises:
        KubeceptionError: etcd breaks off, or the disk is full.
    """
    crash.before("write the snapshot", part)
    digest, last = hashlib.sha256(), b""
    with files.told(part), part.open("xb") as file:
        part.chmod(0o600)
        for blob in session.etcd.snapshot():
            digest.update(last)
            file.write(blob)
            last = blob
        file.flush()
        os.fsync(file.fileno())
    if last != digest.digest():
        raise KubeceptionError("etcd: its snapshot is not what the SHA-256 at its end says")
    return digest.hexdigest()


def _require_room(session: Session, path: Path) -> None:
    if os.path.lexists(path):
        raise KubeceptionError(f"{path}: is there already", hint="choose another name")
    needs = session.etcd.database_size()
    with files.told(path.parent):
        disk = os.statvfs(path.parent)
    free = disk.f_bavail * disk.f_frsize
    if free < needs + LEFT_FREE:
        wanted = f"{needs >> 20} MiB, and {LEFT_FREE >> 20} MiB are left to others"
        raise KubeceptionError(
            f"{path.parent}: {free >> 20} MiB are free; a snapshot takes {wanted}",
            hint=f"df -h {path.parent}",
        )


def _record(session: Session, part: Path, digest: str) -> Record:
    of, _ = session.etcd.progress()
    release = versions.of(session.layout.bundle)
    known = identity.read(session.layout.member)
    revision, _ = status(session, part)
    return Record(
        authority=authority(session),
        cluster=of.cluster,
        member=of.member,
        node=known.node if known else session.host.name,
        revision=revision,
        sha256=digest,
        kubernetes=release.kubernetes,
        etcd=session.etcd.version(),
        taken=timestamp.text(session.host.clock.now()),
    )
