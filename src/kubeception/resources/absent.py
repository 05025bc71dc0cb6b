"""Things that are wanted gone from a host, other than files; what reset is made of."""

from dataclasses import dataclass
from pathlib import Path

from kubeception.host import files, links, mounts
from kubeception.reach import Reach
from kubeception.resources import Resource
from kubeception.resources.file import is_ours


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

    def drift(self, reach: Reach) -> str | None:
        """Say what the thing itself says, on such a host."""
        sign = reach.host.at(self.sign)
        found = is_ours(sign) if self.marked else sign.exists()
        return self.wanted.drift(reach) if found else None

    def apply(self, reach: Reach) -> None:
        """Apply the thing."""
        self.wanted.apply(reach)


@dataclass(frozen=True)
class StoppedUnit:
    """A unit that is wanted not to run; whether it starts at boot is left as it is."""

    name: str

    def __str__(self) -> str:
        return self.name

    def drift(self, reach: Reach) -> str | None:
        """Say whether it runs."""
        state = reach.host.systemd.state(self.name)
        return state.active if state.active not in {"inactive", "failed"} else None

    def apply(self, reach: Reach) -> None:
        """Stop it; waits for the job's end."""
        reach.host.systemd.stop(self.name)


@dataclass(frozen=True)
class NoUnit:
    """No unit of ours of that name: neither running, nor enabled, nor a file of it."""

    name: str
    file: Path

    def __str__(self) -> str:
        return self.name

    def drift(self, reach: Reach) -> str | None:
        """Say what is left of it; another one of the same name is none of ours."""
        if is_ours(reach.host.at(self.file)):
            return "is there"
        state = reach.host.systemd.state(self.name)
        return "systemd still knows it" if state.exists and state.file == str(self.file) else None

    def apply(self, reach: Reach) -> None:
        """Stop and disable it, and remove its file."""
        systemd = reach.host.systemd
        state = systemd.state(self.name)
        if state.active not in {"inactive", "failed"}:
            systemd.stop(self.name)
        # A run that was killed has removed the file, and disabled the unit before.
        if state.enabled == "enabled" and reach.host.at(self.file).exists():
            systemd.disable(self.name)
        files.remove(reach.host.at(self.file))
        systemd.reload()


@dataclass(frozen=True)
class NoTable:
    """No table of nftables of that name."""

    family: str
    name: str

    def __str__(self) -> str:
        return f"nftables table {self.family} {self.name}"

    def drift(self, _reach: Reach) -> str | None:
        """Say whether it is there."""
        return "is there" if links.has_table(self.family, self.name) else None

    def apply(self, _reach: Reach) -> None:
        """Remove it."""
        links.remove_table(self.family, self.name)


@dataclass(frozen=True)
class NoLink:
    """No network link of that name, unless it is a bridge that something is plugged into."""

    name: str

    def __str__(self) -> str:
        return f"link {self.name}"

    def drift(self, _reach: Reach) -> str | None:
        """Say whether it is there."""
        there = links.has_link(self.name) and not links.is_in_use(self.name)
        return "is there" if there else None

    def apply(self, _reach: Reach) -> None:
        """Remove it."""
        links.remove_link(self.name)


@dataclass(frozen=True)
class NoFolder:
    """No such folder; `if_empty` wants only an empty one gone."""

    path: Path
    if_empty: bool = False

    def __str__(self) -> str:
        return str(self.path)

    def drift(self, reach: Reach) -> str | None:
        """Say whether it is there, or what is left of it."""
        path = reach.host.at(self.path)
        if self.if_empty:
            # A disk that is mounted here was not put here by us.
            kept = not path.is_dir() or any(path.iterdir()) or path in mounts.below(path)
            return None if kept else "is empty"
        return "is there" if path.exists() or files.unfinished(path).exists() else None

    def apply(self, reach: Reach) -> None:
        """Unmount what is mounted there, and remove it with all that is in it."""
        path = reach.host.at(self.path)
        if self.if_empty:
            files.remove_empty(path)
        else:
            mounts.unmount(reach.host, path)
            files.discard(path)
