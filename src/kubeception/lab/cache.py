"""What every lab shares and is made once: the Debian tree, a bundle's files, its images.

An entry appears in one rename, so one that is there is complete.
"""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from kubeception.bundle import contents, debian, install, store
from kubeception.host import files
from kubeception.lab import images
from kubeception.lab.paths import CACHE, STATE, HostSpec
from kubeception.layout import Layout

# What a Kubernetes host needs from its distribution, and what its user expects to find there.
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "udev", "kmod"),
    *("iproute2", "nftables", "iptables", "conntrack", "ethtool", "iputils-ping"),
    *("procps", "util-linux", "mount", "libseccomp2", "ca-certificates", "python3"),
    *("bash-completion", "curl", "less", "openssl"),
)


def tree() -> Path:
    """Return the Debian tree that all hosts stand on."""
    name = f"tree-{debian.codename()}-{store.key(*PACKAGES)}"

    def fill(folder: Path) -> None:
        debian.make_tree(folder, PACKAGES, variant="minbase", log_file=CACHE / f"{name}.log")

    return entry(name, fill)


def layer(bundle: Path) -> Path:
    """Return the folder with a bundle's files in the places where a host has them."""
    name = f"layer-{contents.sum_of(contents.listing(bundle))[:20]}"
    return entry(name, lambda folder: install.install(bundle, folder, linked=True))


def containerd(bundle: Path) -> Path:
    """Return a containerd's folder that holds a bundle's images, unpacked."""
    # Its containerd runs here: the one whose digest was proven.
    proven = layer(bundle) / Layout.bundles.relative_to("/") / "current"
    held = contents.load(proven)
    sums = {file.path: file.sha256 for file in held.files}
    archives = {image: f"images/{component}.tar" for component, image in held.images.items()}
    digests = {image: sums[path] for image, path in archives.items()}
    name = f"images-{store.key(digests)}"

    def fill(folder: Path) -> None:
        # After an edit one image of many differs.
        for similar in store.by_last_use(CACHE.glob("images-*/"))[-1:]:
            images.clone(similar, folder)
        paths = {image: proven / path for image, path in archives.items()}
        images.fill(folder, proven / "bin", paths, digests=digests)

    return entry(name, fill)


def entry(name: str, fill: Callable[[Path], object]) -> Path:
    """Return the entry of that name, having `fill` make it if there is none."""
    folder = CACHE / name
    kind = name.split("-")[0]
    files.make_folder(CACHE)
    with (CACHE / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            for left in files.leftovers(CACHE):
                if left.name.startswith(f".{kind}-"):
                    files.remove_tree(left)
            with files.whole_folder(folder) as partial:
                fill(partial)
            specs = map(HostSpec.read, STATE.glob("[!.]*/[!.]*/host.json"))
            used = {Path(lower) for spec in specs for lower in spec.lower}
            store.forget_old(CACHE.glob(f"{kind}-*/"), but=used)
        os.utime(folder)
    return folder
