"""Debian trees, made by mmdebstrap from the machine's own package sources."""

import re
from collections.abc import Sequence
from pathlib import Path

from kubeception.bundle import packages
from kubeception.errors import KubeceptionError
from kubeception.host import process

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def codename() -> str:
    """Return the name of the machine's Debian release.

    Raises:
        KubeceptionError: it runs no Debian.
    """
    text = Path("/etc/os-release").read_text()
    found = re.search(r'^VERSION_CODENAME="?(\w+)', text, re.MULTILINE)
    if not found or not re.search(r'^ID="?debian', text, re.MULTILINE):
        raise KubeceptionError("this machine runs no Debian; its package sources can't make a tree")
    return found[1]


def sources() -> str:
    """Return the machine's package sources of its own release, as apt itself reads them.

    Sources of others are left out: they could bring their own build of a package.
    """
    release = codename()
    told = process.run(
        [
            *("apt-get", "indextargets", "--no-release-info"),
            *("--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"),
        ]
    )
    lines = of_release(told.stdout, release)
    if not lines:
        raise KubeceptionError(
            f"apt has no package source of {release}", hint="apt-get update has to work first"
        )
    signed = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
    return "".join(f"deb {signed}{line}\n" for line in lines)


def of_release(told: str, release: str) -> list[str]:
    """Return a release's sources, each once, of lines with address, suite and component."""
    suites = {release, f"{release}-updates", f"{release}-security"}
    found = [line.split() for line in told.splitlines()]
    return list(dict.fromkeys(" ".join(f) for f in found if f[1] in suites and f[2] == "main"))


def make_tree(
    target: Path, include: Sequence[str], *, variant: str, log_file: Path | None = None
) -> None:
    """Make a Debian tree at `target`: a tar file if it is named so, else a folder.

    `variant` is mmdebstrap's: `minbase` installs, `extract` unpacks and configures nothing.
    """
    packages.ensure(packages.DEBIAN)
    command = ("mmdebstrap", f"--variant={variant}", f"--include={','.join(include)}")
    process.run(
        [*packages.KILLED_WITH_PARENT, *command, codename(), target, "-"],
        stdin=sources(),
        log_file=log_file,
    )
