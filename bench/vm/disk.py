"""What the machine starts from: a kernel of Debian's, and a disk with Debian and the bundle."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from kubeception.bundle import debian, packages, store
from kubeception.bundle.components import SOURCES
from kubeception.host import process
from kubeception.lab import cache, images, kill_with_parent
from kubeception.lab.paths import CACHE

SIZE = 16 << 30  # sparse
HOST = "cp1"
CONFIG = "/etc/kubeception/config.toml"

# Debian package → the program of it that we use.
PACKAGES = {
    "qemu-system-x86": "qemu-system-x86_64",
    "e2fsprogs": "mkfs.ext4",
    "mount": "mount",
    "openssh-client": "ssh",
    "util-linux": "unshare",
}
# What a virtual machine has, and a lab host has not.
_MACHINE = ("linux-image-cloud-amd64", "initramfs-tools", "zstd", "openssh-server")

# QEMU's own network; restricted, its DHCP tells of no way out, and a Service needs one that leads
# nowhere.
_NETWORK = """\
[Match]
Name=en*

[Network]
Address=10.0.2.15/24
Gateway=10.0.2.2
"""

# Below every folder of a tree lies the next one's; an overlay shows them as one, to mkfs alone.
_MAKE = """set -e
mount -t overlay -o "lowerdir=$1" overlay "$2"
mkfs.ext4 -q -d "$2" -E nodiscard "$3"
"""


@dataclass(frozen=True)
class Disk:
    """A machine's disk, the kernel it boots, and the keys by which each knows the other."""

    image: Path
    kernel: Path
    initrd: Path
    key: Path
    known_hosts: Path


def make(folder: Path, bundle: Path, *, is_imported: bool = False) -> Disk:
    """Make a disk in a folder, with the bundle on it and a key that lets us in.

    With `is_imported` its container runtime has the bundle's images already.
    """
    packages.ensure(PACKAGES)
    tree = _tree()
    key, known_hosts, image = (folder / name for name in ("key", "known_hosts", "disk.ext4"))
    process.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key])
    server = (tree / "etc/ssh/ssh_host_ed25519_key.pub").read_text()
    known_hosts.write_text(f"* {server}")
    own, merged = folder / "own", folder / "merged"
    merged.mkdir()
    _write(own, _files(key.with_suffix(".pub").read_text()))
    if is_imported:
        held = own / "var/lib/containerd"
        held.parent.mkdir(parents=True)
        images.clone(cache.containerd(bundle), held)
    with image.open("wb") as file:
        file.truncate(SIZE)
    layers = ":".join(map(str, (own, cache.layer(bundle), tree)))
    script = ("sh", "-c", _MAKE, "sh", layers, merged, image)
    kill_with_parent.run(script, apart=["--mount"])
    kernel, initrd = (_newest(tree / "boot", name) for name in ("vmlinuz-*", "initrd.img-*"))
    return Disk(image, kernel, initrd, key, known_hosts)


def _tree() -> Path:
    """Return the Debian tree that the disk is made from."""
    wanted = (*cache.PACKAGES, *_MACHINE)
    name = f"vm-{debian.codename()}-{store.key(*wanted)}"

    def fill(folder: Path) -> None:
        log = CACHE / f"{name}.log"
        debian.make_tree(folder, wanted, variant="minbase", log_file=log)

    return cache.entry(name, fill)


def _files(key: str) -> Mapping[str, str]:
    """Return what makes the tree this machine, as path → content."""
    return {
        "etc/fstab": "/dev/vda / ext4 errors=remount-ro 0 1\n",
        "etc/hostname": f"{HOST}\n",
        "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {HOST}\n::1 localhost\n",
        "etc/machine-id": f"{uuid4().hex}\n",
        "etc/resolv.conf": "nameserver 10.0.2.3\n",
        "etc/systemd/network/10-vm.network": _NETWORK,
        CONFIG.lstrip("/"): (SOURCES / "distros" / "debian.toml").read_text(),
        "root/.ssh/authorized_keys": key,
    }


def _write(root: Path, files: Mapping[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    wanted = root / "etc/systemd/system/multi-user.target.wants/systemd-networkd.service"
    wanted.parent.mkdir(parents=True)
    wanted.symlink_to("/lib/systemd/system/systemd-networkd.service")
    for private in ("root", "root/.ssh"):  # or sshd would not believe it
        (root / private).chmod(0o700)


def _newest(folder: Path, pattern: str) -> Path:
    return max(folder.glob(pattern))
