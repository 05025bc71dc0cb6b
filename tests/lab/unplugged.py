"""The disk of a host that is off, as its next boot is going to find it."""

from pathlib import Path

from kubeception.host import process
from kubeception.lab import Host

# Mounted in a namespace of its own, so that it is let go whatever becomes of us.
_SCRIPT = 'set -e; mount -o loop "$1" "$2"; cd "$2"; shift 2; '


def on_disk(host: Host, script: str, *words: str | Path) -> str:
    """Run a shell script in the root folder of a host's disk, and return what it printed."""
    alone = ("unshare", "--mount", "--propagation", "private")
    place = host.place
    argv = (*alone, "sh", "-c", _SCRIPT + script, "sh", place.image, place.disk, *words)
    return process.run(argv).stdout


def copied(host: Host, to: Path, *names: str) -> Path:
    """Copy files and folders of a host's disk, those that are there, below another folder."""
    to.mkdir()
    copy = 'to=$1; shift; for it; do [ ! -e "$it" ] || cp --archive --parents -t "$to" "$it"; done'
    on_disk(host, copy, to, *names)
    return to
