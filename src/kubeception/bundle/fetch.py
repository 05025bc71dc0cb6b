"""Bring a bundle to this host from a web server, and have it lie there, used by nobody yet.

Killed anywhere it goes on where it was: what has come and is as it should be does not come again.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path

from kubeception import crash
from kubeception.bundle import contents, golang, install
from kubeception.bundle.contents import Bundle
from kubeception.bundle.download import PATIENCE_S, Downloads
from kubeception.errors import KubeceptionError, Locked
from kubeception.host import files, lock
from kubeception.layout import Layout
from kubeception.report import Steps
from kubeception.source import Source
from kubeception.versions import LISTING, LONGEST

log = logging.getLogger("kubeception.bundle")

_MB = 1_000_000
# So long whoever changes the host meanwhile is waited for.
_LOCKED_S = 60.0


def fetch(
    source: Source, root: Path = Path("/"), *, patience_s: float = PATIENCE_S
) -> tuple[str, list[str]]:
    """Put a server's bundle on the host below `root`; return its name, and what changed.

    Nothing is asked for where it lies there already. Of two who fetch the second waits.

    Raises:
        Locked: somebody else is changing this host.
        PreflightError: this isn't root.
        KubeceptionError: the server has it not, or another one; or it is not for this host, which
            may have no room for it.
    """
    here = install.for_root(root)
    with (
        Steps(log) as steps,
        steps.step("fetch", source.url) as note,
        lock.in_turn(install.fetching(here)),
    ):
        own = here.bundles / f"{install.FETCHED}{source.sha256[:16]}"
        name, changes = _lying(here, source.sha256), list[str]()
        if name is None:
            _forget(here, but=own)
            name = asyncio.run(_come(source, own, note, patience_s=patience_s)).version
            note("putting it in place")
            changes = _in_place(own, root, source.sha256)
        _forget(here)
        return name, changes


def _in_place(folder: Path, root: Path, sha256: str) -> list[str]:
    """Have a bundle that has come lie on the host, once nobody else changes that; mostly moments.

    Raises:
        Locked: it takes longer.
    """
    began = time.monotonic()
    while True:
        try:
            return install.install(folder, root, sha256=sha256, staged=True, is_own=True)
        except Locked:
            if time.monotonic() - began > _LOCKED_S:
                raise
            time.sleep(1)


def _lying(here: Layout, sha256: str) -> str | None:
    """Return the name of the bundle with this sum, where it lies on this host."""
    for path in here.bundles.glob(f"[!.]*/{LISTING}"):
        with contextlib.suppress(KubeceptionError):  # of another one, what is wrong is no matter
            folder = path.parent
            if not folder.is_symlink() and contents.sum_of(contents.listing(folder)) == sha256:
                return folder.name
    return None


def _forget(here: Layout, *, but: Path | None = None) -> None:
    """Remove what has come of bundles, but for one."""
    for folder in install.fetched(here):
        if folder != but:
            files.discard(folder)


async def _come(
    source: Source, folder: Path, note: Callable[[str], None], *, patience_s: float
) -> Bundle:
    """Have all files of a bundle lie in a folder."""
    async with Downloads(patience_s=patience_s) as downloads:
        url = source.of(LISTING)
        listing = await downloads.content(url, most=LONGEST)
        bundle = _proven(listing, source, url)
        files.make_folder(folder, 0o700)
        left = [file for file in bundle.files if contents.damage(folder, file)]
        needed = sum(file.size for file in left)
        install.check_disk(folder, needed)
        progress = _Progress(note, needed)
        for file in left:
            path = folder / file.path
            crash.before("fetch", path)
            files.make_folder(path.parent)
            await downloads.save(
                source.of(file.path),
                path,
                size=file.size,
                sha256=file.sha256,
                note=progress.add,
            )
            path.chmod(file.mode)
        files.write(folder / LISTING, listing)
    return bundle


class _Progress:
    """Tells how much has come, megabyte by megabyte."""

    def __init__(self, note: Callable[[str], None], total: int) -> None:
        self._note = note
        self._total = total
        self._came = 0

    def add(self, count: int) -> None:
        """Count so many bytes more."""
        before, self._came = self._came // _MB, self._came + count
        if before != self._came // _MB:
            self._note(f"{self._came // _MB} of {self._total // _MB} MB")


def _proven(listing: bytes, source: Source, url: str) -> Bundle:
    """Return what a bundle's list says, once it is the one that was asked for."""
    if (found := contents.sum_of(listing)) != source.sha256:
        raise KubeceptionError(
            f"{url}: its SHA-256 is {found} instead of {source.sha256}",
            hint="`kubeception bundle show` says it where the bundle was built",
        )
    bundle = Bundle.parse(listing, url, hint="kubeception bundle build")
    if bundle.architecture != (ours := golang.architecture()):
        raise KubeceptionError(
            f"{url}: it is for {bundle.architecture}, and this host is {ours}",
            hint="`kubeception bundle build` on such a machine makes one for it",
        )
    return bundle
