"""Programs and headers of the system: installed by apt, or named where there is no apt."""

import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from kubeception.errors import PreflightError
from kubeception.host import process

log = logging.getLogger(__name__)

# Debian package → what shows that it is there: a program, or a file.
COMPILER = {
    "gcc": "gcc",
    "libc6-dev": "/usr/include/stdio.h",
    "libseccomp-dev": "/usr/include/seccomp.h",
    "pkg-config": "pkg-config",
}
DEBIAN = {"mmdebstrap": "mmdebstrap"}

# In front of a command: it ends with the process that started it, however that ends. Otherwise
# a killed build would go on for nobody.
KILLED_WITH_PARENT = ("setpriv", "--pdeathsig", "TERM")


def missing(needs: Mapping[str, str]) -> list[str]:
    """Return the packages whose program or file isn't there."""
    return [package for package, proof in needs.items() if not _is_there(proof)]


def ensure(needs: Mapping[str, str]) -> None:
    """See to it that packages are installed.

    Raises:
        PreflightError: some are missing, and apt isn't there or not ours to call.
    """
    wanted = missing(needs)
    if not wanted:
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise PreflightError(
            [f"missing on this machine: {' '.join(wanted)}"],
            hint="install them (these are Debian's package names), then run this again",
        )
    log.info("installing %s", " ".join(wanted))
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    process.run(["apt-get", "update", "-q"], env=quiet)
    process.run(["apt-get", "install", "-qy", "--no-install-recommends", *wanted], env=quiet)


def _is_there(proof: str) -> bool:
    return Path(proof).exists() if proof.startswith("/") else shutil.which(proof) is not None
