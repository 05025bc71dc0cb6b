"""What is mounted below a folder."""

from pathlib import Path

from kubeception.host.gateway import Host

_TABLE = Path("/proc/self/mountinfo")
# proc(5): space, tab, newline and backslash are octal there.
_ESCAPES = {"\\040": " ", "\\011": "\t", "\\012": "\n", "\\134": "\\"}


def below(folder: Path) -> list[Path]:
    """Return what is mounted at or below a folder, the latest first."""
    points = [_plain(line.split()[4]) for line in _TABLE.read_text().splitlines()]
    return [point for point in reversed(points) if point.is_relative_to(folder)]


def unmount(host: Host, folder: Path) -> None:
    """Unmount all that is mounted at or below a folder.

    From a container it is the host that unmounts; with the propagation `rslave` the container sees
    no more of it either.
    """
    entering = ("nsenter", "--target=1", "--mount") if host.is_contained else ()
    for point in below(folder):
        host.run([*entering, "umount", host.named(point)])


def _plain(text: str) -> Path:
    for escape, character in _ESCAPES.items():
        text = text.replace(escape, character)
    return Path(text)
