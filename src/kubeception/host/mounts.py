"""What is mounted below a folder, and how to unmount that and nothing else."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from os import fsdecode, fsencode
from pathlib import Path
from shlex import quote

from kubeception import crash
from kubeception.errors import CommandFailed, KubeceptionError
from kubeception.host import kernel
from kubeception.host.gateway import Host

# A server of a network file system that is gone lets nobody wait for it longer than this.
_CALL_S = 60.0
# What is mounted while we unmount is found by the next pass; nobody may go on doing so for ever.
_PASSES = 5
_OWN = Path("/proc/self/mountinfo")
_PEERS = re.compile(rb"shared:(\d+)")


@dataclass(frozen=True)
class Mount:
    """One mount: which one, in which other one it is mounted, and where.

    What is mounted in one of its `peers`, or unmounted there, is so in all of them; None is a mount
    that has none.
    """

    identity: int
    parent: int
    point: Path
    peers: int | None = None


def read(table: bytes) -> list[Mount]:
    """Return the mounts of a table in the form of /proc/PID/mountinfo."""
    return [_mount(line) for line in table.split(b"\n") if line]


def below(mounts: Iterable[Mount], folder: Path) -> list[Mount]:
    """Return what is mounted at or below a folder, in the order in which it can be unmounted.

    That is no matter of when it was mounted: what lies in a mount goes before it, and of two in one
    mount the one whose point is the higher one, because it hides the other.
    """
    found = [one for one in mounts if one.point.is_relative_to(folder)]
    identities = {one.identity for one in found}
    inside: dict[int | None, list[Mount]] = defaultdict(list)
    for one in found:
        inside[one.parent if one.parent in identities else None].append(one)
    left, order = _deepest_last(inside[None]), list[Mount]()
    while left:
        order.append(left.pop())
        left += _deepest_last(inside[order[-1].identity])
    return order[::-1]


def bound_elsewhere(mounts: Iterable[Mount], gone: Sequence[Mount]) -> list[Mount]:
    """Return those of `gone` with another one in them, that also have a peer which isn't to go.

    A bind mount of a folder is a peer of the file system that it was taken from: what is unmounted
    in the one is unmounted in the other as well, such as a disk of the user's in that folder.
    """
    identities, parents = {one.identity for one in gone}, {one.parent for one in gone}
    staying = {one.peers for one in mounts if one.identity not in identities}
    return [
        one
        for one in gone
        if one.peers is not None and one.peers in staying and one.identity in parents
    ]


def points(folder: Path, host: Host | None = None) -> list[Path]:
    """Return where something is mounted at or below a folder, as this process or its host sees it.

    Both count: a container may not see what its host has mounted, or still see what it had.
    """
    found = [one.point for one in below(read(_OWN.read_bytes()), folder)]
    if host is not None and host.is_contained:
        outside = _hosts(host)
        found += [host.at(one.point) for one in below(outside.mounts(), host.named(folder))]
    return list(dict.fromkeys(found))


def refuse(folder: Path, host: Host | None = None) -> None:
    """Refuse to go on while something is mounted at or below a folder.

    Raises:
        KubeceptionError: something is; it is named.
    """
    for point in points(folder, host):
        named = shown(host.named(point) if host else point)
        raise KubeceptionError(
            f"{named}: something is mounted here that is none of the cluster's",
            hint=f"umount {named}, then run this again",
        )


def unmount(host: Host, folder: Path) -> None:
    """Unmount all that is mounted at or below a folder, and nothing anywhere else.

    From a container it is the host that unmounts; what the container goes on seeing of it, for want
    of propagation or for another mount in it, goes from its own view after that.

    Raises:
        KubeceptionError: something can't be unmounted; it is named. What could be is unmounted.
    """
    if host.is_contained:
        _unmount(host, _hosts(host), host.named(folder))
    _unmount(host, _own(host), folder)


def shown(path: Path) -> str:
    """Return a path as one line, in the form in which a shell takes it."""
    text = str(path)
    return quote(text) if text.isprintable() else "$'" + "".join(map(_shown, text)) + "'"


@dataclass(frozen=True)
class _View:
    """The mounts that some processes see: their table, and how a program of the host's sees them.

    `named` says what that program calls a mount point of the table.
    """

    table: Path
    entering: tuple[str, ...]
    named: Callable[[Path], Path]

    def mounts(self) -> list[Mount]:
        return read(self.table.read_bytes())


def _own(host: Host) -> _View:
    return _View(_OWN, (), host.named)


def _hosts(host: Host) -> _View:
    table = host.proc / "1/mountinfo"
    return _View(table, ("nsenter", "--target=1", "--mount"), lambda point: point)


def _unmount(host: Host, view: _View, folder: Path) -> None:
    passes = 0
    while gone := below(every := view.mounts(), folder):
        if (passes := passes + 1) > _PASSES:
            raise _still(view.named(gone[-1].point), "somebody mounts it again and again")
        for one in bound_elsewhere(every, gone):
            _part(host, view, one, every=every, gone=gone)
        for one in gone:
            crash.before("unmount", shown(view.named(one.point)))
            # It is the mount table that has the path, so there is no link in it to follow.
            said = _told(host, view, "umount", "--no-canonicalize", at=one)
            if said and one in view.mounts():
                raise _still(view.named(one.point), said)


def _part(
    host: Host, view: _View, mount: Mount, *, every: Sequence[Mount], gone: Sequence[Mount]
) -> None:
    """Have a mount keep to itself what is unmounted in it.

    Raises:
        KubeceptionError: something lies right over it, so that nobody can get at it.
    """
    point = view.named(mount.point)
    for over in gone:
        if over.parent == mount.identity and over.point == mount.point:
            others = (one for one in every if one.peers == over.peers and one not in gone)
            theirs = shown(view.named(next(others, over).point))
            raise KubeceptionError(
                f"{shown(point)}: what is mounted over it is mounted at {theirs}, too",
                hint=f"umount {theirs}; it can be mounted again afterwards",
            )
    crash.before("make private", shown(point))
    if said := _told(host, view, "mount", "--no-canonicalize", "--make-private", at=mount):
        raise _still(point, said)


def _told(host: Host, view: _View, *words: str, at: Mount) -> str | None:
    """Have the host's own program do something to a mount; return what it has against it."""
    argv: list[str | Path] = [*view.entering, *words, view.named(at.point)]
    try:
        done = host.run(argv, check=False, timeout=_CALL_S)
    except CommandFailed as error:
        return error.stderr
    return None if done.code == 0 else (done.stderr.strip() or f"exit code {done.code}")


def _still(point: Path, said: str) -> KubeceptionError:
    reason = said.splitlines()[-1].rpartition(": ")[2].rstrip(".")
    return KubeceptionError(
        f"{shown(point)}: is still mounted: {reason}", hint=f"fuser -vm {shown(point)}"
    )


def _shown(letter: str) -> str:
    if letter.isprintable():
        return f"\\{letter}" if letter in "\\'" else letter
    return "".join(f"\\x{byte:02x}" for byte in fsencode(letter))


def _mount(line: bytes) -> Mount:
    fields = line.split(b" ")
    peers = _PEERS.search(b" ".join(fields[6 : fields.index(b"-")]))
    point = kernel.unescaped(fields[4])
    return Mount(
        int(fields[0]), int(fields[1]), Path(fsdecode(point)), int(peers[1]) if peers else None
    )


def _deepest_last(mounts: Iterable[Mount]) -> list[Mount]:
    return sorted(mounts, key=lambda one: len(one.point.parts))
