"""What a lab could leave on the machine, seen at one moment.

Other labs may come and go meanwhile: what bears another lab's name is not counted.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from kubeception.host import process

# The folder of all labs' cgroups is there while one of them is.
_OTHERS = "|".join(
    (
        r"^cgroups: \S*/kubeception-lab$",
        r"kubeception-lab/(?!{name}(?:/|\b(?!-)))[a-z0-9.]",
        r"lab\.supervisor (?!{name} )",
    )
)


def traces(name: str) -> set[str]:
    """Return what there is of everything that a lab makes, a line for each."""
    seen = {
        "mounts": set(Path("/proc/self/mountinfo").read_text().splitlines()),
        "loop devices": _lines("losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE"),
        "links": {line.split(":")[1] for line in _lines("ip", "-oneline", "link")},
        "nft rules": _lines("nft", "list", "ruleset"),
        # Whatever else runs on this machine makes some of its own.
        "cgroups": {path for path, _, _ in os.walk("/sys/fs/cgroup") if "kubeception-lab" in path},
        "processes": set(_processes(name)),
        "folders": {str(p) for p in Path("/run/systemd/nspawn").glob("*/*")},
    }
    others = re.compile(_OTHERS.format(name=re.escape(name)))
    every = {f"{kind}: {line}" for kind, lines in seen.items() for line in lines}
    return {line for line in every if not others.search(line)}


def _lines(*argv: str) -> set[str]:
    return set(process.run(argv).stdout.splitlines())


def _processes(name: str) -> Iterator[str]:
    """Yield each process that bears the lab's name or a path of labs, or is in a cgroup of such."""
    theirs = re.compile(rf"\b{re.escape(name)}\b|kubeception-lab")
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            place = (folder / "cgroup").read_text().replace("\n", " ")
        except OSError:  # ended meanwhile
            continue
        # Without a command line it is dead already, and only its parent has not asked yet.
        if command and theirs.search(command + place) and int(folder.name) != os.getpid():
            yield f"{folder.name} {command} {place}"
