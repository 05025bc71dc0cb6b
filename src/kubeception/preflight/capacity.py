"""Room on disks and in memory, and a clock that can be right."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kubeception.diagnosis import disks
from kubeception.diagnosis.disks import MIB
from kubeception.endpoints import LOOPBACK
from kubeception.etcd import space
from kubeception.host import kernel
from kubeception.pki import catalog, issue
from kubeception.preflight.finding import Finding, of_path, warning
from kubeception.preflight.host_state import HostState

GIB = 2**30
# etcd allocates two segments of its log at once, 64 MiB each, and then writes a database.
ETCD_NEEDS = 256 * MIB
# What the images take once they are unpacked.
IMAGES_NEED = 2 * GIB
# From here on the kubelet evicts pods (its own defaults).
FILES_EVICT = 0.05
KUBELET_EVICTS = 0.10
IMAGES_EVICT = 0.15
# kubeadm's limit; and what the control plane itself takes, below which it only swaps or dies.
MEMORY_WANTED = 1700 * MIB
MEMORY_NEEDED = 700 * MIB
# Two control planes ask for 1.7 of them while one hands over to the other.
CPUS = 2
CLOCKS_DIFFER = timedelta(minutes=5)


def folders(seen: HostState) -> Iterator[Finding]:
    """Want folders where folders belong, and above them, and links that lead to some."""
    at = seen.config.layout
    of_etcd = () if seen.is_worker else (at.etcd.state, at.pki.etcd_folder)
    wanted = (
        *(*of_etcd, at.pki.folder, at.kubelet.manifests, at.config.parent, at.cluster.parent),
        *(at.kubelet.state, at.kubelet.pod_logs, at.containerd.state),
        *(at.containerd.settings.parent, at.cni.settings, at.cni.plugins),
    )
    every = {path for folder in wanted for path in (folder, *folder.parents[:-1])}
    # Below what is none there is nothing to be seen.
    told: list[Path] = []
    for path in sorted(every):
        if any(path.is_relative_to(above) for above in told):
            continue
        if found := _no_folder(seen, path):
            told.append(path)
            yield found


def _no_folder(seen: HostState, path: Path) -> Finding | None:
    """Say what is where a folder belongs, None where it is one or nothing at all."""
    host = seen.session.host
    here, real = host.real(path.parent) / path.name, host.real(path)
    if real.is_dir() or not os.path.lexists(here):
        return None
    if real.exists():
        return Finding(of_path("DirAvailable", path), f"{path}: is a file", f"rm {path}")
    if real.is_symlink():
        what = f"{path}: is a link that leads round in a circle"
        return Finding(of_path("DirAvailable", path), what, f"rm {path}")
    target = host.named(real)
    what = f"{path}: is a link to {target}, which isn't there; is its disk not mounted?"
    return Finding(of_path("DirAvailable", path), what, f"mkdir -p {target}")


def disk(seen: HostState) -> Iterator[Finding]:
    """Want room: enough for a start where nothing is yet, and some to go on with."""
    at = seen.config.layout
    if disks.mount_of(seen.session, disks.TEMPORARY) == disks.TEMPORARY and (
        of_its_own := disks.why_unwritable(seen.session, disks.TEMPORARY)
    ):
        yield Finding(of_path("Disk", disks.TEMPORARY), str(of_its_own), of_its_own.hint)
    images_need = 0 if containerd_has_images(seen) else IMAGES_NEED
    etcd_needs = 0 if seen.session.host.at(at.etcd.state / "default.etcd").exists() else ETCD_NEEDS
    of_etcd = () if seen.is_worker else ((at.etcd.state, etcd_needs, 0.0),)
    for folder, needs, evicts in (
        *of_etcd,
        (at.containerd.state, images_need, IMAGES_EVICT),
        (at.kubelet.state, 0, KUBELET_EVICTS),
        (at.pki.folder, 0, 0.0),
    ):
        found = _usage(seen, folder)
        free, size = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
        name, mounted = of_path("Disk", folder), disks.mount_of(seen.session, folder)
        hint, fewer = disks.room(mounted, "-h"), disks.room(mounted, "--inodes")
        what = f"{folder}: {free // MIB} MiB of {size // MIB} are free"
        if unwritable := disks.why_unwritable(seen.session, folder):
            yield Finding(name, str(unwritable), unwritable.hint)
        elif free < needs:
            yield Finding(name, f"{what}, and a start needs {needs // MIB}", hint)
        elif free < evicts * size:
            yield warning(name, f"{what}; the kubelet evicts pods there", hint)
        elif free < ETCD_NEEDS:
            yield warning(name, what, hint)
        elif evicts and found.f_favail < FILES_EVICT * found.f_files:
            what = f"{folder}: {found.f_favail} of {found.f_files} inodes are free"
            yield warning(name, f"{what}; the kubelet evicts pods there", fewer)


def _usage(seen: HostState, folder: Path) -> os.statvfs_result:
    return os.statvfs(kernel.nearest(seen.session.host.at(folder)))


def quota(seen: HostState) -> Iterator[Finding]:
    """Want a disk that holds what etcd may take: it says nothing before its quota is used up."""
    at = seen.config.layout.etcd.state
    text = seen.config.etcd.extra_args.get("quota-backend-bytes", "0")
    allowed = int(text) if text.isdecimal() else 0
    allowed = allowed or space.DEFAULT_QUOTA
    found = os.statvfs(kernel.nearest(seen.session.host.at(at)))
    size = found.f_blocks * found.f_frsize
    if size < allowed:
        yield warning(
            of_path("Disk", at),
            f"{at}: its file system has {size // MIB} MiB, and etcd may take {allowed // MIB}: it"
            " would be full without a word of etcd's",
            f"set quota-backend-bytes in [etcd.extra_args] to {size // 2}, or less",
        )


def containerd_has_images(seen: HostState) -> bool:
    """Tell whether the container runtime has ever stored anything."""
    return seen.session.host.at(
        seen.config.layout.containerd.state / "io.containerd.content.v1.content/blobs"
    ).exists()


def memory(seen: HostState) -> Iterator[Finding]:
    """Want memory and CPUs for a control plane, and for two of them while it is handed over.

    How much a worker needs is its user's business.
    """
    if seen.is_worker:
        return
    found = kernel.memory_bytes()
    if found < MEMORY_WANTED:
        what = f"{found // MIB} MiB of memory, of {MEMORY_WANTED // MIB} wanted"
        of_kind = Finding if found < MEMORY_NEEDED else warning
        yield of_kind("Mem", what, "give this host more memory")
    if kernel.cpus() < CPUS:
        what = f"{kernel.cpus()} CPU; the control plane's pods ask for more than one"
        yield Finding("NumCPU", what, f"give this host {CPUS} CPUs")


def clock(seen: HostState) -> Iterator[Finding]:
    """Want a time at which our certificates hold, and no earlier one than our files'."""
    now = seen.session.host.clock.now()
    hint = "timedatectl set-ntp true, or timedatectl set-time"
    said = f"the clock says {now:%Y-%m-%d %H:%M}"
    if seen.release.released and now < seen.release.released:
        what = f"{said}, before Kubernetes {seen.release.kubernetes} was there"
        yield Finding("Clock", what, hint)
        return
    newest: tuple[datetime, Path] | None = None
    for entry in catalog.entries(seen.config, seen.node, seen.address or LOOPBACK):
        path = entry.at.certificate
        try:
            found = seen.session.host.at(path)
            pem, changed = found.read_bytes(), found.stat().st_mtime
        except OSError:
            continue
        starts = issue.valid_from(pem) if issue.is_certificate(pem) else now
        if starts > now and entry.spec.is_ca:  # a leaf of the future is issued anew
            what = f"{said}; {path} is valid from {starts:%Y-%m-%d %H:%M} on"
            yield Finding("Clock", what, hint)
            return
        newest = max(newest or (now, path), (datetime.fromtimestamp(changed, UTC), path))
    if newest and newest[0] > now + CLOCKS_DIFFER:
        what = f"{said}; {newest[1]} was written at {newest[0]:%Y-%m-%d %H:%M}"
        yield warning("Clock", what, hint)
