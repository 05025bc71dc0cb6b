"""The process that keeps one host on: `python -m kubeception.lab.supervisor LAB HOST LOCK`.

It lives in a mount namespace of its own, so that all it mounts goes with it, however it ends. LOCK
is a file descriptor that it inherits: the lock on its pid file, taken by whoever started it, so
that there is no moment in which a host is on and nobody can tell. A host that reboots is started
again; one that powers off ends the supervisor.
"""

import os
import subprocess
import sys
from pathlib import Path

from kubeception.host import files, kernel, process, tree
from kubeception.lab import cgroups, disk, kill_with_parent
from kubeception.lab.paths import BRIDGE, RUN, HostPlace, HostSpec, Place
from kubeception.lab.waiting import wait_for

REBOOT = 133  # how nspawn ends when its host has rebooted itself

# What lies on the disk that a power cut loses unsynced data from, and each folder's mode.
DISK_FOLDERS = {
    Path("/etc/kubeception"): 0o755,
    Path("/etc/kubernetes"): 0o755,
    Path("/etc/systemd/system"): 0o755,
    Path("/var/lib/etcd"): 0o700,
    Path("/var/lib/kubeception"): 0o755,
    Path("/var/lib/kubelet"): 0o750,
}


def main() -> None:
    """Run one host until it is off."""
    lab, name, lock = sys.argv[1:]
    os.set_inheritable(int(lock), False)  # noqa: FBT003 - the standard library's own way
    os.write(int(lock), f"{os.getpid()}\n".encode())
    place = HostPlace(Place(lab), name)
    spec = HostSpec.read(place.spec)
    _mount(place, spec)
    code = REBOOT
    while code == REBOOT:
        code = _boot(place)
        cgroups.clear(place.cgroup)
    sys.exit(code)


def _mount(place: HostPlace, spec: HostSpec) -> None:
    # Our copies of these mounts would keep other labs' networks alive; this process is in its own.
    # One that is none any more was given up, just now, by its lab.
    for namespace in RUN.glob("*/net"):
        process.run(["umount", "--lazy", namespace], check=False)
    # nspawn leaves files here, under names that two labs may share.
    nspawn = Path("/run/systemd/nspawn")
    nspawn.mkdir(parents=True, exist_ok=True)
    process.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", nspawn])
    layers = f"lowerdir={':'.join(spec.lower)},upperdir={place.upper},workdir={place.work}"
    process.run(["mount", "-t", "overlay", "-o", layers, "overlay", place.root])
    wait_for(
        "the host's disk",
        lambda: f"{place.image} is in use" if disk.in_use(place.image) else None,
        timeout_s=20,
    )
    process.run(["mount", "-o", "loop", place.image, place.disk])
    for folder, mode in DISK_FOLDERS.items():
        _provide(place, folder, mode)


def _provide(place: HostPlace, folder: Path, mode: int) -> None:
    """Have the disk hold a folder; a new one starts with what the host has there, durably."""
    at = on_disk(place, folder)
    if at.exists():
        return
    files.make_folder(at.parent)
    before, beneath = place.disk / folder.name, place.root / folder.relative_to("/")
    if before.is_dir():  # the lab was made when the disk's folders had no more than a name
        before.rename(at)
        files.sync_folder(place.disk)
    elif beneath.is_dir():
        with files.whole_folder(at) as partial:
            tree.copy(beneath, partial)
    else:
        at.mkdir(mode=mode)
    files.sync_folder(at.parent)


def on_disk(place: HostPlace, folder: Path) -> Path:
    """Return where a folder of the host lies on its disk."""
    return place.disk / folder.relative_to("/")


def _boot(place: HostPlace) -> int:
    """Start the host and return how nspawn ended."""
    cgroups.clear(place.cgroup)
    # A host that was killed leaves its link to the kernel, which takes it away when it finds time.
    process.run(["ip", "link", "delete", f"vb-{place.name}"], check=False)
    entries = cgroups.make(place.cgroup)
    env = {**os.environ, "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1"}
    if kernel.cgroup_version() == 1:
        env["SYSTEMD_NSPAWN_UNIFIED_HIERARCHY"] = "0"
    # The cgroup namespace that nspawn makes starts where nspawn is: two hosts' kubelets never see
    # each other's. nspawn dies with us, and the host with it.
    return subprocess.run(
        [*kill_with_parent.WITH_US, *cgroups.entering(entries, nspawn(place))],
        stdin=subprocess.DEVNULL,
        env=env,
        check=False,
    ).returncode


def nspawn(place: HostPlace) -> list[str]:
    """Return the command line that is the host."""
    binds = {Path("/var/lib/containerd"): place.containerd}
    binds |= {folder: on_disk(place, folder) for folder in DISK_FOLDERS}
    kmsg = Path("/dev/kmsg")
    return [
        "systemd-nspawn",
        "--quiet",
        "--boot",
        "--console=read-only",
        f"--directory={place.root}",
        f"--machine={place.name}",  # and with it its link in the lab's network: vb-NAME
        f"--hostname={place.name}",
        *("--settings=no", "--register=no", "--keep-unit", "--link-journal=no"),
        *("--resolv-conf=off", "--timezone=off"),
        f"--network-bridge={BRIDGE}",
        # What a real host may do, a kubelet on it needs.
        *("--capability=all", "--system-call-filter=@known"),
        *([f"--bind={kmsg}"] if kmsg.exists() else []),
        *(f"--bind={source}:{target}" for target, source in binds.items()),
    ]


if __name__ == "__main__":
    main()
