"""A file system that carries the layers of images: not each one takes an overlay."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kubeception.errors import KubeceptionError
from kubeception.host import kernel
from kubeception.preflight.capacity import containerd_has_images
from kubeception.preflight.finding import Finding, of_path
from kubeception.preflight.host_state import HostState
from kubeception.render import containerd

_TIMEOUT_S = 20.0
_NOT_THERE = "unknown filesystem type"


def carried(seen: HostState) -> Iterator[Finding]:
    """Want the runtime's disk to take an overlay, by making one there, out of everybody's sight.

    Of ZFS before 2.2, NFS, eCryptfs or another overlay, as in a container, none does, or not all.
    """
    if not seen.is_root or containerd.UNIT in seen.foreign or containerd_has_images(seen):
        return
    host, folder = seen.session.host, seen.config.layout.containerd.state
    at = host.real(folder)
    try:
        place = Path(tempfile.mkdtemp(prefix=".kubeception-", dir=kernel.nearest(at)))
    except OSError:  # it is full, or read-only: that is told by itself
        return
    try:
        why = _refusal(seen, host.named(place), place)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if why and _NOT_THERE in why:
        what = f"{folder}: the kernel has no overlays, of which images are made"
        yield Finding(of_path("Overlay", folder), what, "modprobe overlay")
    elif why:
        kind = kernel.file_system(at)
        what = f"{folder}: its file system ({kind}) takes no overlay, of which images are made"
        hint = f"mount an ext4 or xfs file system at {folder}"
        yield Finding(of_path("Overlay", folder), what, hint)


def _refusal(seen: HostState, named: Path, place: Path) -> str | None:
    """Say why an overlay of folders in a place is refused; the host knows the place as `named`."""
    names = ("lowerdir", "upperdir", "workdir")
    for name in (*names, "merged"):
        (place / name).mkdir()
    options = ",".join(f"{name}={named / name}" for name in names)
    mount = ("mount", "-t", "overlay", "-o", options, "overlay", named / "merged")
    try:
        done = seen.session.host.run(
            ("unshare", "--mount", *mount), check=False, timeout=_TIMEOUT_S
        )
    except KubeceptionError as error:
        return error.message
    return done.stderr or f"exit code {done.code}" if done.code else None
