"""How many processes and threads this process may have, and what limits them."""

import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
# One command of ours starts no more than that: where there is room for it, nothing is in the way.
_NEEDED = 64
# Nor is it with a limit that a user has as a rule.
_PLENTY = 4096


@dataclass(frozen=True)
class Limit:
    """What is in the way of more of them, and the command that moves it away."""

    what: str
    hint: str


def in_the_way() -> Limit | None:
    """Return the limit that leaves the least room, None where each leaves enough."""
    groups = list(_of_groups(Path("/proc/self/cgroup").read_text()))
    room, file, most = min(groups, default=(_NEEDED, Path(), 0))
    if room < _NEEDED:
        what = f"{file.parent} may have {most} processes and threads, as by TasksMax"
        return Limit(what, f"echo max > {file}")
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    if soft == resource.RLIM_INFINITY or soft > _PLENTY:
        return None
    what = f"this user may have {soft} processes and threads, by RLIMIT_NPROC"
    if soft == hard:
        return Limit(what, "have root raise nproc in /etc/security/limits.conf, or LimitNPROC")
    # Not by a program: none can be started.
    return Limit(what, f"ulimit -S -u {'unlimited' if hard == resource.RLIM_INFINITY else hard}")


def _of_groups(own: str) -> Iterator[tuple[int, Path, int]]:
    """Yield the room that this process's control groups leave, with the file that says how much."""
    for line in own.splitlines():
        number, controllers, path = line.split(":", 2)
        if number != "0" and "pids" not in controllers.split(","):
            continue
        top = _GROUPS / controllers
        group = top / path.lstrip("/")
        for at in (group, *group.parents):
            if not at.is_relative_to(top):
                break
            try:
                most = (at / "pids.max").read_text().strip()
                if most != "max":
                    now = int((at / "pids.current").read_text())
                    yield int(most) - now, at / "pids.max", int(most)
            except OSError:  # the topmost one has no limit, and a container may not see its own
                continue
