"""The version of kubeception before this one, built from its sources: a cluster of its making.

`data/before.tar.xz` holds them (`make before COMMIT=...` packs others). What they put in a bundle
besides themselves, programs and other images, is today's.
"""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

from kubeception.bundle.components import MODULES

SOURCES = Path(__file__).parent / "data/before.tar.xz"


def bundle(folder: Path) -> Path:
    """Build its bundle below a folder, by its own code, and return where it lies."""
    sources = folder / "sources"
    with tarfile.open(SOURCES) as archive:
        archive.extractall(sources)  # noqa: S202 - it is our own
    (sources / "components").symlink_to(MODULES)
    made = folder / "bundle"
    subprocess.run(
        [sys.executable, "-P", "-m", "kubeception", "bundle", "build", "--output", made],
        env={**os.environ, "PYTHONPATH": str(sources / "src")},
        check=True,
    )
    return made
