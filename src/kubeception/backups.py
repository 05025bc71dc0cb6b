"""A backup: a snapshot of etcd, and what of a cluster lies beside it on a host.

That is the pairs of its CAs, the key of ServiceAccount tokens, what the host remembers of itself,
the cluster's settings and the host's, and the files that flags of its pods name, such as the one
that says how Secrets are encrypted. It is a tar, sealed to public keys.
"""

import contextlib
import io
import logging
import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from kubeception import authorities, crash
from kubeception.config import Config, cluster, flags
from kubeception.config.load import load
from kubeception.errors import KubeceptionError, PreflightError
from kubeception.host import files, lock, sealing
from kubeception.host.gateway import Host
from kubeception.kept import snapshots, taking
from kubeception.kept.snapshots import Kind, Snapshot
from kubeception.layout import Layout
from kubeception.pki import issue
from kubeception.readable import readable
from kubeception.session import Session

log = logging.getLogger("kubeception.backup")

_FORMAT = 1
_TOLD, _SNAPSHOT, _HOST = "backup.json", "snapshot.db", "host/"
# Of anything but the snapshot; what flags name is settings and keys.
_LONGEST = 16 << 20


@readable
class Told(msgspec.Struct, frozen=True):
    """What a backup says of itself, at its beginning."""

    format: int
    node: str
    taken: str
    kubernetes: str


@dataclass(frozen=True)
class Opened:
    """What was in a backup, in a folder: the snapshot, and files by the path that a host has."""

    snapshot: Snapshot
    files: dict[Path, Path]
    config: Config

    @property
    def authority(self) -> str:
        """Return what tells its cluster from others.

        Raises:
            KubeceptionError: it has no CA.
        """
        at = self.files.get(self.config.layout.pki.ca.certificate)
        pem = at.read_bytes() if at else b""
        if not issue.is_certificate(pem):
            raise KubeceptionError(f"{self.snapshot.path}: the backup has no CA of a cluster")
        return taking.authority_of(pem)


def make(session: Session, recipients: Sequence[str], to: Path) -> Snapshot:
    """Take a snapshot and seal it to public keys, with all that belongs to it, as a new file.

    Raises:
        KubeceptionError: etcd gives no snapshot, a CA is not here, or there is no room.
        Locked: a snapshot is being taken.
    """
    if os.path.lexists(to):
        raise KubeceptionError(f"{to}: is there already", hint="choose another name")
    found = {path: session.host.real(path) for path in _belongings(session.config)}
    there = {path: at for path, at in found.items() if at.is_file()}
    for needed in (session.config.layout.pki.ca.certificate, session.config.layout.pki.ca.key):
        if needed not in there:
            raise KubeceptionError(
                f"{needed}: no such file; a backup without the cluster's CA gives no cluster back",
                hint="make it on a control-plane host that has it",
            )
    files.make_folder(session.layout.snapshots, 0o700)
    with (
        lock.hold(session.layout.backups_lock, "kubeception backup"),
        files.private_folder(session.layout.snapshots / "backup") as place,
    ):
        snapshot = taking.take(session, Kind.MANUAL, to=place / _SNAPSHOT)
        with files.private_folder(to) as beside:
            sealed = beside / "sealed"
            crash.before("seal the backup", sealed)
            with files.told(to), sealed.open("xb") as file:
                sealed.chmod(0o600)
                sealing.seal(lambda sink: _pack(snapshot, there, sink), list(recipients), file)
                file.flush()
                os.fsync(file.fileno())
            files.move(sealed, to)
    return snapshot


@contextlib.contextmanager
def opened(host: Host, path: Path, key: Path) -> Iterator[Opened]:
    """Give what is in a backup, for a block; all of it was read before, and is as it was sealed.

    Raises:
        KubeceptionError: it isn't, or holds what doesn't belong in a backup; nothing was written.
    """
    sealing.verify(path, key)
    folder = host.at(Layout.snapshots)
    files.make_folder(folder, 0o700)
    with (
        lock.hold(host.at(Layout.backups_lock), "kubeception restore"),
        files.private_folder(folder / "restore") as place,
    ):
        sealing.read(path, key, lambda content: _unpack(path, content, place))
        there = place / _HOST
        copy = cluster.read(there / Layout.cluster.relative_to("/"))
        own = there / Layout.config.relative_to("/")
        asked = load(own) if own.exists() else Config()
        config = copy.settings.over(asked) if copy else asked
        found = {Path("/") / at.relative_to(there): at for at in there.rglob("*") if at.is_file()}
        if strange := sorted(map(str, found.keys() - set(_belongings(config)))):
            raise KubeceptionError(f"{path}: {strange[0]}: does not belong in a backup")
        yield Opened(snapshots.found(place / _SNAPSHOT), found, config)


def is_fresh(host: Host) -> bool:
    """Tell whether a host goes by no cluster's settings yet, so that it takes the backup's."""
    return not any(host.real(path).exists() for path in (Layout.cluster, Layout.member))


def require_room_for(session: Session, backup: Opened) -> None:
    """Stop where this host has another cluster's keys.

    Raises:
        PreflightError: it has; each file is named.
    """
    at = session.config.layout.pki
    keys = [path for entry in authorities.entries(session) for path in vars(entry.at).values()]
    problems = []
    for path in (*keys, at.service_account_key, at.service_account_public):
        there, new = session.host.real(path), backup.files.get(path)
        if new and there.exists() and _identity(there) != _identity(new):
            problems.append(f"{path}: is another cluster's than the backup's")
    if problems:
        raise PreflightError(problems, hint="kubeception reset --etcd --pki", is_final=True)


def place(session: Session, backup: Opened) -> None:
    """Write what this host doesn't have; what it has of the same cluster stays."""
    own, takes_config = session.config.layout.config, is_fresh(session.host)
    for path, at in sorted(backup.files.items()):
        there = session.host.real(path)
        if there.exists() and there.read_bytes() != at.read_bytes():
            if not (path == own and takes_config):
                log.warning("%s: stays as it is here; the backup has another one", path)
                continue
            log.warning(
                "%s is kept as %s; the backup's is in its place", path, files.put_aside(there)
            )
        if not there.exists():
            files.write(there, at.read_bytes(), mode=files.mode_of(at))
    session.hang_up()  # what the cluster goes by is known by now


def _belongings(config: Config) -> Iterator[Path]:
    """Yield the files that make a host that cluster's control plane, as far as nobody makes them.

    What the CAs sign is made anew.
    """
    at = config.layout
    own = (at.pki.join_ca, at.pki.kubelet_serving_ca)
    for ca in (at.pki.ca, at.pki.front_proxy_ca, at.pki.etcd_ca, *own):
        yield ca.certificate
        yield ca.key
    yield at.pki.kubelet_serving_cas
    yield at.pki.service_account_key
    yield at.pki.service_account_public
    yield from (at.config, at.cluster, at.member)
    for program in flags.IN_PODS:
        yield from (path for _, path in flags.brought(program, config))


def _identity(path: Path) -> bytes:
    """Return what a key or a certificate is about; one that was signed anew is about the same."""
    content = path.read_bytes()
    return issue.public_key_of(content) if issue.is_certificate(content) else content


def _pack(snapshot: Snapshot, there: dict[Path, Path], sink: IO[bytes]) -> None:
    record = snapshot.record
    told = Told(
        _FORMAT,
        record.node if record else "",
        record.taken if record else "",
        record.kubernetes if record else "",
    )
    own = snapshots.record_of(snapshot.path)
    with tarfile.open(fileobj=sink, mode="w|") as tar:
        _add(tar, _TOLD, msgspec.json.encode(told))
        _add(tar, own.name, own.read_bytes())
        for path, at in there.items():
            _add(tar, f"{_HOST}{path.relative_to('/')}", at.read_bytes(), files.mode_of(at))
        with snapshot.path.open("rb") as file:
            entry = tarfile.TarInfo(_SNAPSHOT)
            entry.size, entry.mode = snapshot.size, 0o600
            tar.addfile(entry, file)


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o600) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


def _unpack(path: Path, content: IO[bytes], place: Path) -> None:
    """Write the plain files of a tar below a folder; whoever made it, none leads elsewhere."""
    try:
        with tarfile.open(fileobj=content, mode="r|") as tar:
            for entry in tar:
                _write(path, tar, entry, place)
    except tarfile.TarError as error:
        raise KubeceptionError(f"{path}: is no backup of kubeception's: {error}") from error


def _write(path: Path, tar: tarfile.TarFile, entry: tarfile.TarInfo, place: Path) -> None:
    name, parts = entry.name, Path(entry.name).parts
    is_known = name in {_TOLD, _SNAPSHOT, f"{_SNAPSHOT}.json"} or name.startswith(_HOST)
    source = tar.extractfile(entry) if entry.isreg() else None
    if source is None or not is_known or ".." in parts or name.startswith("/"):
        raise KubeceptionError(f"{path}: {name!r}: does not belong in a backup")
    if name != _SNAPSHOT and entry.size > _LONGEST:
        raise KubeceptionError(f"{path}: {name}: has more than {_LONGEST >> 20} MiB")
    to = place / name
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with files.told(to), to.open("xb") as file:
        to.chmod(entry.mode & 0o777)
        while block := source.read(1 << 20):
            file.write(block)
    if name == _TOLD:
        _require_format(path, to.read_bytes())


def _require_format(path: Path, text: bytes) -> None:
    try:
        told = msgspec.json.decode(text, type=Told)
    except ValueError as error:
        raise KubeceptionError(f"{path}: is no backup of kubeception's: {error}") from error
    if told.format != _FORMAT:
        raise KubeceptionError(
            f"{path}: is of format {told.format}, and this version reads {_FORMAT}",
            hint="kubeception bundle import DIR, of a newer release",
        )
