"""The kernel's settings: what counts is the kernel's own value; which file sets it, as sysctl.d(5).

Keys have slashes here, as below /proc/sys, since a link's name may have dots.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from kubeception import crash
from kubeception.errors import KubeceptionError
from kubeception.host.gateway import Host

_KERNEL = Path("/proc/sys")
# One setting by two names.
_ALSO = {"net/ipv4/ip_forward": "net/ipv4/conf/all/forwarding"}
# The first folder that has a name counts for it; of all names the last one wins.
_FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d")


@dataclass(frozen=True)
class Setting:
    """What a file sets a key to, and by which words of it."""

    file: Path
    words: str
    value: str


def shown(key: str) -> str:
    """Return a key as sysctl(8) names it."""
    return key.translate(str.maketrans("./", "/."))


def value(key: str) -> str | None:
    """Return the kernel's value, None where it has no such setting."""
    try:
        return (_KERNEL / key).read_text().strip()
    except OSError:
        return None


def write(key: str, text: str) -> None:
    """Set the kernel's value, until somebody sets another one.

    Raises:
        KubeceptionError: the kernel refuses it.
    """
    crash.before("set", shown(key))
    try:
        (_KERNEL / key).write_text(f"{text}\n")
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise KubeceptionError(
            f"{shown(key)} can't be set to {text}: {why}", hint=f"sysctl -w {shown(key)}={text}"
        ) from error


def set_by(host: Host, key: str) -> Setting | None:
    """Return which file sets a key last, at each boot; None where none does."""
    last = None
    for path in files(host):
        for words, told in _settings(host.content(path) or b""):
            pattern = _with_slashes(words)
            if fnmatchcase(key, pattern) or pattern == _ALSO.get(key):
                last = Setting(path, words, told)
    return last


def files(host: Host) -> Iterator[Path]:
    """Yield the files that are read, in their order; where one is a link, what it leads to."""
    found: dict[str, Path] = {}
    for folder in map(Path, _FOLDERS):
        at = host.real(folder)
        for path in at.iterdir() if at.is_dir() else ():
            if path.suffix == ".conf":
                found.setdefault(path.name, folder / path.name)
    for name in sorted(found):
        yield Path("/") / host.real(found[name]).relative_to(host.root)


def _settings(content: bytes) -> Iterator[tuple[str, str]]:
    for line in content.decode(errors="replace").splitlines():
        words, is_one, told = line.strip().partition("=")
        if is_one and not words.startswith(("#", ";")):
            yield words.strip().removeprefix("-").strip(), told.strip()


def _with_slashes(words: str) -> str:
    """Return a key by slashes: the first of dot and slash that is in it separates."""
    first = next((letter for letter in words if letter in "./"), "/")
    return words if first == "/" else words.translate(str.maketrans("./", "/."))
