"""Room on disks and in memory, and a clock that can be right."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kubeception.host import kernel
from kubeception.pki import catalog, issue
from kubeception.preflight.finding import Finding, of_path, warning
from kubeception.preflight.scene import Scene

MIB = 2**20
GIB = 2**30
# Nothing much can be written any more, not even by root, who may use the reserve.
FULL = 4 * MIB
# etcd allocates two segments of its log at once, 64 MiB each, and then writes a database.
ETCD_NEEDS = 256 * MIB
# What the images take once they are unpacked.
IMAGES_NEED = 2 * GIB
# From here on the kubelet evicts pods (its own defaults).
KUBELET_EVICTS = 0.10
IMAGES_EVICT = 0.15
# kubeadm's limit; and what the control plane itself takes, below which it only swaps or dies.
MEMORY_WANTED = 1700 * MIB
MEMORY_NEEDED = 700 * MIB
# Two control planes ask for 1.7 of them while one hands over to the other.
CPUS = 2
CLOCKS_DIFFER = timedelta(minutes=5)


def folders(scene: Scene) -> Iterator[Finding]:
    """Want folders where folders belong."""
    at = scene.config.layout
    for folder in (
        *(at.pki.folder, at.pki.etcd_folder, at.kubelet.manifests),
        *(at.etcd.state, at.kubelet.state, at.containerd.state),
        *(at.cni.settings, at.cni.plugins),
    ):
        found = scene.reach.host.at(folder)
        if found.exists() and not found.is_dir():
            yield Finding(of_path("DirAvailable", folder), f"{folder}: is a file", f"rm {folder}")


def disk(scene: Scene) -> Iterator[Finding]:
    """Want room: enough for a start where nothing is yet, and some to go on with."""
    at = scene.config.layout
    images_need = 0 if containerd_has_images(scene) else IMAGES_NEED
    etcd_needs = 0 if scene.reach.host.at(at.etcd.state / "default.etcd").exists() else ETCD_NEEDS
    of_etcd = () if scene.is_worker else ((at.etcd.state, etcd_needs, 0.0),)
    for folder, needs, evicts in (
        *of_etcd,
        (at.containerd.state, images_need, IMAGES_EVICT),
        (at.kubelet.state, 0, KUBELET_EVICTS),
        (at.pki.folder, 0, 0.0),
    ):
        found = os.statvfs(_existing(scene.reach.host.at(folder)))
        free, size = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
        name, hint = of_path("Disk", folder), f"df -h {folder}"
        what = f"{folder}: {free // MIB} MiB of {size // MIB} are free"
        if found.f_flag & os.ST_RDONLY:
            yield Finding(name, f"{folder}: its file system is read-only", "mount -o remount,rw …")
        elif found.f_bfree * found.f_frsize < FULL:
            yield Finding(name, f"{folder}: its file system is full", hint)
        elif free < needs:
            yield Finding(name, f"{what}, and a start needs {needs // MIB}", hint)
        elif free < evicts * size:
            yield warning(name, f"{what}; the kubelet evicts pods there", hint)
        elif free < ETCD_NEEDS:
            yield warning(name, what, hint)


def containerd_has_images(scene: Scene) -> bool:
    """Tell whether the container runtime has ever stored anything."""
    return scene.reach.host.at(
        scene.config.layout.containerd.state / "io.containerd.content.v1.content/blobs"
    ).exists()


def memory(scene: Scene) -> Iterator[Finding]:
    """Want memory and CPUs for a control plane, and for two of them while it is handed over.

    How much a worker needs is its user's business.
    """
    if scene.is_worker:
        return
    found = kernel.memory_bytes()
    if found < MEMORY_WANTED:
        what = f"{found // MIB} MiB of memory, of {MEMORY_WANTED // MIB} wanted"
        of_kind = Finding if found < MEMORY_NEEDED else warning
        yield of_kind("Mem", what, "give this host more memory")
    if kernel.cpus() < CPUS:
        what = f"{kernel.cpus()} CPU; the control plane's pods ask for more than one"
        yield Finding("NumCPU", what, f"give this host {CPUS} CPUs")


def clock(scene: Scene) -> Iterator[Finding]:
    """Want a time at which our certificates hold, and no earlier one than our files'."""
    now = scene.reach.host.clock.now()
    hint = "timedatectl set-ntp true, or timedatectl set-time"
    said = f"the clock says {now:%Y-%m-%d %H:%M}"
    if scene.release.released and now < scene.release.released:
        what = f"{said}, before Kubernetes {scene.release.kubernetes} was there"
        yield Finding("Clock", what, hint)
        return
    newest: tuple[datetime, Path] | None = None
    for entry in catalog.entries(scene.config, scene.node, scene.address or "127.0.0.1"):
        path = entry.at.certificate
        try:
            found = scene.reach.host.at(path)
            pem, changed = found.read_bytes(), found.stat().st_mtime
        except OSError:
            continue
        starts = issue.valid_from(pem) if issue.is_certificate(pem) else now
        if starts > now:
            what = f"{said}; {path} is valid from {starts:%Y-%m-%d %H:%M} on"
            yield Finding("Clock", what, hint)
            return
        newest = max(newest or (now, path), (datetime.fromtimestamp(changed, UTC), path))
    if newest and newest[0] > now + CLOCKS_DIFFER:
        what = f"{said}; {newest[1]} was written at {newest[0]:%Y-%m-%d %H:%M}"
        yield warning("Clock", what, hint)


def _existing(path: Path) -> Path:
    """Return a path or the nearest folder above it that is there."""
    return next(at for at in (path, *path.parents) if at.exists())
