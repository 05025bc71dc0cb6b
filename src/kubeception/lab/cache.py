"""What every lab shares and is made once: the Debian tree, a bundle's files, its images.

An entry appears in one rename, so one that is there is complete.
"""

import fcntl
from collections.abc import Callable
from pathlib import Path

from kubeception.bundle import contents, debian, install
from kubeception.bundle.store import key
from kubeception.host import files, process
from kubeception.lab import images
from kubeception.lab.place import CACHE, STATE, Spec

# What a Kubernetes host needs from its distribution, and what its user expects to find there.
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "udev", "kmod"),
    *("iproute2", "nftables", "iptables", "conntrack", "ethtool", "iputils-ping"),
    *("procps", "util-linux", "mount", "libseccomp2", "ca-certificates", "python3"),
    *("bash-completion", "curl", "less"),
)

# The present one and the one before.
_KEPT = 2


def tree() -> Path:
    """Return the Debian tree that all hosts stand on."""
    name = f"tree-{debian.codename()}-{key(*PACKAGES)}"

    def fill(folder: Path) -> None:
        debian.make_tree(folder, PACKAGES, variant="minbase", log_file=CACHE / f"{name}.log")

    return _entry(name, fill)


def layer(bundle: Path) -> Path:
    """Return the folder with a bundle's files in the places where a host has them."""
    name = f"layer-{contents.load(bundle).version}"
    return _entry(name, lambda folder: install.install(bundle, folder))


def containerd(bundle: Path) -> Path:
    """Return a containerd's folder that holds a bundle's images, unpacked."""
    held = contents.load(bundle).files
    archives = {file.path: file.sha256 for file in held if file.path.startswith("images/")}
    return _entry(
        f"images-{key(archives)}",
        lambda folder: images.fill(folder, bundle, [bundle / path for path in archives]),
    )


def _entry(name: str, fill: Callable[[Path], object]) -> Path:
    folder = CACHE / name
    if folder.exists():
        return folder
    files.make_folder(CACHE)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            for left in CACHE.glob("*.partial"):
                files.remove_tree(left)
            partial = CACHE / f"{name}.partial"
            partial.mkdir()
            fill(partial)
            # A crash of the machine must not leave an entry whose files are empty.
            process.run(["sync", "--file-system", partial])
            partial.rename(folder)
            _forget_old(name.split("-")[0])
    return folder


def _forget_old(kind: str) -> None:
    specs = map(Spec.read, STATE.glob("[!.]*/[!.]*/host.json"))
    used = {folder for spec in specs for folder in spec.lower}
    entries = sorted(CACHE.glob(f"{kind}-*/"), key=lambda entry: entry.stat().st_ctime)
    for entry in entries[:-_KEPT]:
        if str(entry) not in used:
            files.remove_tree(entry)
