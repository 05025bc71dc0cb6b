"""Things that are wanted gone from a host, other than files; what reset is made of."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from kubeception.host import files, links, mounts
from kubeception.host.gateway import Host
from kubeception.resources import Resource
from kubeception.resources.file import is_ours
from kubeception.session import Session

log = logging.getLogger("kubeception.host")

# What a disk has at its top by itself.
_FILE_SYSTEMS = "lost+found"


@dataclass(frozen=True)
class WhereOurs:
    """A thing that is wanted only on a host where a file says that it is ours.

    `marked` asks for our mark in it; a name that only we use needs none.
    """

    sign: Path
    wanted: Resource
    marked: bool = True

    def __str__(self) -> str:
        return str(self.wanted)

    def drift(self, session: Session) -> str | None:
        """Say what the thing itself says, on such a host."""
        sign = session.host.at(self.sign)
        found = is_ours(sign) if self.marked else sign.exists()
        return self.wanted.drift(session) if found else None

    def apply(self, session: Session) -> None:
        """Apply the thing."""
        self.wanted.apply(session)


@dataclass(frozen=True)
class StoppedUnit:
    """A unit that is wanted not to run; whether it starts at boot is left as it is."""

    name: str

    def __str__(self) -> str:
        return self.name

    def drift(self, session: Session) -> str | None:
        """Say whether it runs."""
        state = session.host.systemd.state(self.name)
        return state.active if state.active not in {"inactive", "failed"} else None

    def apply(self, session: Session) -> None:
        """Stop it; waits for the job's end."""
        session.host.systemd.stop(self.name)


@dataclass(frozen=True)
class NoUnit:
    """No unit of ours of that name: neither running, nor enabled, nor a file of it."""

    name: str
    file: Path

    def __str__(self) -> str:
        return self.name

    def drift(self, session: Session) -> str | None:
        """Say what is left of it; another one of the same name is none of ours."""
        if is_ours(session.host.at(self.file)):
            return "is there"
        state = session.host.systemd.state(self.name)
        return "systemd still knows it" if state.exists and state.file == str(self.file) else None

    def apply(self, session: Session) -> None:
        """Stop and disable it, and remove its file."""
        systemd = session.host.systemd
        state = systemd.state(self.name)
        if state.active not in {"inactive", "failed"}:
            systemd.stop(self.name)
        # A run that was killed has removed the file, and disabled the unit before.
        if state.enabled == "enabled" and session.host.at(self.file).exists():
            systemd.disable(self.name)
        files.remove(session.host.at(self.file))
        systemd.reload()


@dataclass(frozen=True)
class NoTable:
    """No table of nftables of that name."""

    family: str
    name: str

    def __str__(self) -> str:
        return f"nftables table {self.family} {self.name}"

    def drift(self, _reach: Session) -> str | None:
        """Say whether it is there."""
        return "is there" if links.has_table(self.family, self.name) else None

    def apply(self, _reach: Session) -> None:
        """Remove it."""
        links.remove_table(self.family, self.name)


@dataclass(frozen=True)
class NoLink:
    """No network link of that name, unless it is a bridge that something is plugged into."""

    name: str

    def __str__(self) -> str:
        return f"link {self.name}"

    def drift(self, _reach: Session) -> str | None:
        """Say whether it is there."""
        there = links.has_link(self.name) and not links.ports(self.name)
        return "is there" if there else None

    def apply(self, _reach: Session) -> None:
        """Remove it."""
        links.remove_link(self.name)


@dataclass(frozen=True)
class NoFolder:
    """No such folder; `if_empty` wants only an empty one gone.

    One that is a link, or at which something is mounted, is where somebody wants it to be: it stays
    without what is ours in it. `own` tells what that is, by paths in it; below one of them that has
    no others in it, all is ours. Without `own` nobody can tell, and all of it is left.

    What is mounted in a folder that has to go is refused, unless the cluster `mounts` there itself.
    """

    path: Path
    if_empty: bool = False
    own: tuple[str, ...] = ()
    mounts: bool = False

    def __str__(self) -> str:
        return str(self.path)

    def drift(self, session: Session) -> str | None:
        """Say whether it is there, or what is left of it."""
        if self.if_empty:
            path = _at(session.host, self.path)
            kept = _stays(session.host, self.path) or not path.is_dir() or any(path.iterdir())
            return None if kept else "is empty"
        gone = self._gone(session.host)
        if _stays(session.host, self.path):
            log.info("%s: a link or a mount of yours, which is left", self.path)
            return f"has {', '.join(path.name for path in gone)} in it" if gone else None
        return "is there" if gone else None

    def apply(self, session: Session) -> None:
        """Remove it, or what has to go of it.

        Raises:
            KubeceptionError: something is mounted in it that stays; nothing of it was removed.
        """
        if self.if_empty:
            files.remove_empty(_at(session.host, self.path))
            return
        gone = self._gone(session.host)
        for path in gone:
            if self.mounts:
                mounts.unmount(session.host, path)
            mounts.refuse(path, session.host)
        for path in gone:
            files.discard(path)

    def _gone(self, host: Host) -> list[Path]:
        return _gone(host, self.path, self.own)


def _gone(host: Host, path: Path, own: tuple[str, ...]) -> list[Path]:
    """Return what is to go of a folder: itself, or where it stays what is ours in it."""
    at = _at(host, path)
    folders = (path, *(path / name for name in own if not _is_pattern(name)))
    if not any(_stays(host, one) for one in folders):
        return _there(files.unfinished(at), at)
    gone = _there(files.unfinished(at))
    for name in own:
        if _is_pattern(name):
            gone += _matching(host.real(path), name)
        elif "/" not in name:
            inside = tuple(
                one.removeprefix(f"{name}/") for one in own if one.startswith(f"{name}/")
            )
            gone += _gone(host, path / name, inside or ("*",))
    return gone


def _is_pattern(name: str) -> bool:
    return "*" in name or "[" in name


def _matching(folder: Path, pattern: str) -> list[Path]:
    patterns = (pattern, files.unfinished(Path(pattern)).name)
    found = {path for one in patterns for path in folder.glob(one)}
    return sorted(path for path in found if path.name != _FILE_SYSTEMS)


def _there(*paths: Path) -> list[Path]:
    return [path for path in paths if os.path.lexists(path)]


def _stays(host: Host, path: Path) -> bool:
    at = _at(host, path)
    return at.is_symlink() or at in mounts.points(at, host)


def _at(host: Host, path: Path) -> Path:
    """Return where a path of the host's lies for this process; it may itself be a link."""
    return host.real(path.parent) / path.name
