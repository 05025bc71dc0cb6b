"""Put a snapshot in the place of etcd's data.

They become those of a new etcd cluster, with a token of its own, so that no member of the old one
is taken for one of it. Revisions go on far above all that were ever given out, and older ones count
as compacted: whoever watches the API lists it anew.
"""

import os
import secrets
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from kubeception import crash, losses, versions
from kubeception.endpoints import ETCD_PEER_PORT, url
from kubeception.errors import KubeceptionError, PreflightError
from kubeception.etcd import data
from kubeception.facts import HostFacts, Stored
from kubeception.host import files, process
from kubeception.kept import identity, snapshots, taking
from kubeception.kept.snapshots import Snapshot
from kubeception.session import Session

# More than a cluster writes between two snapshots: a thousand a second for eleven days.
BUMP = 1_000_000_000
# What nothing says of a snapshot that has no record.
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Prepared:
    """New data in `place`, beside the old ones, and the token of their cluster."""

    place: Path
    token: str
    of: Stored


def chosen(session: Session, asked: str | None) -> Snapshot:
    """Return the snapshot of that name or path, by default the last good one of this cluster.

    Raises:
        KubeceptionError: there is none.
    """
    folder = session.layout.snapshots
    if asked is None:
        release = versions.of(session.layout.bundle)
        last = snapshots.last_good(folder, taking.authority(session), release)
        if last is None:
            what = f"no good snapshot of this cluster, which Kubernetes {release.kubernetes} reads"
            raise KubeceptionError(
                f"{session.config.layout.snapshots}: there is {what}", hint="kubeception etcd list"
            )
        return last
    if "/" in asked:
        return snapshots.found(session.host.at(Path(asked).absolute()))
    return snapshots.found(folder / (asked.removesuffix(snapshots.SUFFIX) + snapshots.SUFFIX))


def require(
    session: Session, snapshot: Snapshot, *, accepted: str | None = None, ours: str | None = None
) -> None:
    """Stop where a snapshot is not one to restore here.

    `accepted` is whose it is, as a person has been told, where that is another cluster; `ours`
    tells the cluster that this host is to be of, by default the one that it is of.

    Raises:
        PreflightError: it is damaged, another cluster's, or of a release that doesn't fit.
    """
    if session.layout.membership.exists():
        raise PreflightError(
            ["this host is a worker, which has no etcd"], hint="do it on a control-plane host"
        )
    if problem := snapshots.damage(snapshot):
        raise PreflightError(
            [f"{snapshot.path}: is damaged: {problem}"], hint="kubeception etcd list", is_final=True
        )
    ours, record = ours or taking.authority(session), snapshot.record
    theirs = record.cluster if record else UNKNOWN
    if (record is None or record.authority != ours) and accepted != theirs:
        what = f"is of another cluster, {theirs}" if record else "has no record of whose it is"
        raise PreflightError(
            [f"{snapshot.path}: {what}, and this host's CA is not known to be that one's"],
            hint=f"to restore it all the same: kubeception etcd restore {snapshot.path} "
            f"--accept-cluster {theirs}",
            is_final=True,
        )
    release = versions.of(session.layout.bundle)
    if record and not snapshots.is_read_by(release, record):
        raise PreflightError(
            [
                f"{snapshot.path}: is of Kubernetes {record.kubernetes}, and this host has "
                f"{release.kubernetes}, which reads its own minor and the one before"
            ],
            hint="kubeception bundle import DIR, of that release",
            is_final=True,
        )


def prepare(session: Session, snapshot: Snapshot, host: HostFacts) -> Prepared:
    """Make data of a snapshot beside those that are there, which go on being served.

    Raises:
        KubeceptionError: the snapshot is damaged within, or the disk has no room.
    """
    taking.status(session, snapshot.path)
    folder, token = session.etcd_data, secrets.token_hex(16)
    files.make_folder(folder, 0o700)
    place = files.unfinished(folder / "member")
    files.remove_tree(place)
    peer = url(host.address, ETCD_PEER_PORT)
    crash.before("restore the snapshot to", place)
    done = session.host.run(
        [
            *(session.config.layout.launchers / "etcdutl", "snapshot", "restore"),
            session.host.named(snapshot.path),
            *("--data-dir", session.host.named(place)),
            *("--name", host.node),
            *("--initial-cluster", f"{host.node}={peer}"),
            *("--initial-advertise-peer-urls", peer),
            *("--initial-cluster-token", token),
            *("--bump-revision", str(BUMP), "--mark-compacted"),
        ],
        check=False,
    )
    of = data.stored(place) if done.code == 0 else None
    if of is None:
        files.remove_tree(place)
        last = (done.stderr.strip().splitlines() or [f"exit code {done.code}"])[-1]
        raise KubeceptionError(
            f"{snapshot.path}: can't be restored: {last}", hint=f"df -h {folder}"
        )
    _give(place, folder, host.etcd_uid)
    process.run(["sync", "--file-system", place])
    return Prepared(place, token, of)


def put_in_place(session: Session, prepared: Prepared, host: HostFacts) -> None:
    """Put the old data aside and new ones in their place, and remember whose these are.

    etcd doesn't run meanwhile. Whatever ends this in between leaves data that the record doesn't
    know, or none, with which etcd does not start: doing it all again is the way on.
    """
    losses.put_aside_data(session)
    for name in ("snap", "wal"):  # without a log nobody takes them for data
        to = session.host.real(session.config.layout.etcd.data / "member" / name)
        _move(prepared.place / "member" / name, to)
    known = replace(
        host.remembered,
        token=prepared.token,
        cluster=prepared.of.cluster,
        member=prepared.of.member,
    )
    files.write(session.layout.member, identity.text(known), mode=0o600)
    files.remove(session.layout.progress)
    files.remove_tree(prepared.place)


def _give(place: Path, folder: Path, uid: int | None) -> None:
    """Have new data belong to whom the folder belongs to, or to whom etcd runs as."""
    owner = folder.stat()
    for path in (place, *place.rglob("*")):
        os.chown(path, owner.st_uid if uid is None else uid, owner.st_gid)


def _move(part: Path, to: Path) -> None:
    """Move a folder of new data to its place: another disk, perhaps, mounted there or behind it."""
    files.make_folder(to.parent, 0o700)
    if os.path.ismount(to):
        with files.told(to):
            for path in sorted(part.iterdir()):
                crash.before("copy to", to / path.name)
                _copy(path, to / path.name)
        process.run(["sync", "--file-system", to])
    elif part.stat().st_dev == to.parent.stat().st_dev:
        files.move(part, to)
    else:
        with files.whole_folder(to) as copy:
            for path in part.iterdir():
                _copy(path, copy / path.name)
            shutil.copystat(part, copy)
            os.chown(copy, part.stat().st_uid, part.stat().st_gid)


def _copy(path: Path, to: Path) -> None:
    shutil.copy2(path, to)
    os.chown(to, path.stat().st_uid, path.stat().st_gid)
