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
from kubeception.versions import BUILT_IN

SOURCES = Path(__file__).parent / "data/before.tar.xz"


def bundle(folder: Path) -> Path:
    """Build its bundle below a folder, by its own code, and return where it lies."""
    sources = folder / "sources"
    with tarfile.open(SOURCES) as archive:
        archive.extractall(sources)  # noqa: S202 - it is our own
    _show_modules(sources / "components")
    made = folder / "bundle"
    subprocess.run(
        [sys.executable, "-P", "-m", "kubeception", "bundle", "build", "--output", made],
        env={**os.environ, "PYTHONPATH": str(sources / "src")},
        check=True,
    )
    return made


def _show_modules(components: Path) -> None:
    """Show today's modules where that version looks for them: it knew one of CoreDNS alone."""
    components.mkdir()
    for module in MODULES.iterdir():
        shown = module / BUILT_IN.minor if module.name == "coredns" else module
        (components / module.name).symlink_to(shown)
