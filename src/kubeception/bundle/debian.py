"""Debian trees, made by mmdebstrap from the machine's own package sources."""

import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from kubeception.bundle import packages
from kubeception.errors import KubeceptionError
from kubeception.host import process

log = logging.getLogger(__name__)


def codename(root: Path = Path("/")) -> str:
    """Return the name of the machine's Debian release.

    Raises:
        KubeceptionError: it runs no Debian.
    """
    text = (root / "etc/os-release").read_text()
    found = re.search(r"^VERSION_CODENAME=\"?(\w+)", text, re.MULTILINE)
    if not found or not re.search(r"^ID=\"?debian", text, re.MULTILINE):
        raise KubeceptionError("this machine runs no Debian; its package sources can't make a tree")
    return found[1]


def sources(root: Path = Path("/")) -> str:
    """Return the machine's sources of its own release, in the one-line form.

    Sources of others are left out: they could bring their own build of a package.
    """
    release = codename(root)
    suites = {release, f"{release}-updates", f"{release}-security"}
    folder = root / "etc/apt"
    found = list(_one_line(folder / "sources.list"))
    for path in sorted((folder / "sources.list.d").glob("*")):
        if path.suffix == ".list":
            found += _one_line(path)
        elif path.suffix == ".sources":
            found += _deb822(path)
    lines = [f"deb {options}{uri} {suite} main" for options, uri, suite in found if suite in suites]
    if not lines:
        raise KubeceptionError(
            f"{folder}: no package source of {release}", hint="apt-get update should work first"
        )
    return "\n".join(dict.fromkeys(lines)) + "\n"


def make_tree(
    target: Path, include: Sequence[str], *, variant: str, log_file: Path | None = None
) -> None:
    """Make a Debian tree at `target`: a tar file if it is named so, else a folder.

    `variant` is mmdebstrap's: `minbase` installs, `extract` unpacks and configures nothing.
    """
    packages.ensure(packages.DEBIAN)
    process.run(
        [
            "mmdebstrap",
            f"--variant={variant}",
            f"--include={','.join(include)}",
            codename(),
            target,
            "-",
        ],
        stdin=sources(),
        log_file=log_file,
    )


_Source = tuple[str, str, str]


def _one_line(path: Path) -> Iterator[_Source]:
    if not path.exists():
        return
    for line in path.read_text().splitlines():
        found = re.match(r"deb\s+(\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+.*\bmain\b", line)
        if found:
            yield found[1] or "", found[2], found[3]


def _deb822(path: Path) -> Iterator[_Source]:
    for stanza in re.split(r"\n\s*\n", path.read_text()):
        lines = [line for line in stanza.splitlines() if not line.startswith("#")]
        fields = dict(re.findall(r"^([\w-]+):[ \t]*(.+)$", "\n".join(lines), re.MULTILINE))
        if "deb" not in fields.get("Types", "").split() or fields.get("Enabled") == "no":
            continue
        if "main" not in fields.get("Components", "").split():
            continue
        keyring = fields.get("Signed-By", "")
        options = f"[signed-by={keyring}] " if keyring.startswith("/") else ""
        for uri in fields.get("URIs", "").split():
            for suite in fields.get("Suites", "").split():
                yield options, uri, suite
