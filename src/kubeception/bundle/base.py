"""The Debian base of our images, and what is taken out of it for the small ones."""

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

from kubeception.bundle import debian, golang, packages, store
from kubeception.bundle.oci import Member, write_layer
from kubeception.bundle.store import Recipe
from kubeception.errors import KubeceptionError
from kubeception.host import files, process

# What kube-proxy and flannel call, Python for kubeception, and Debian's own pause program.
PACKAGES = (
    "ca-certificates",
    "catatonit",
    "conntrack",
    "coreutils",
    "dash",
    "ipset",
    "iproute2",
    "iptables",
    "kmod",
    "nftables",
    "python3",
)

# Nothing in a container reads these, and some of them would tell one build from the next.
_LEFT_OUT = re.compile(
    r"(dev|proc|sys|run|tmp|var)/"
    r"|etc/(apt|hostname|hosts|resolv\.conf|fstab|machine-id|cron\.\w+|init\.d|logrotate\.d)\b"
    r"|usr/share/(doc/[^/]+/(?!copyright$)|(man|locale|info|lintian|bug|bash-completion|perl5)/)"
    r"|(usr/)?lib/systemd/"
    r"|usr/lib/python3\.\d+/pydoc_data/topics\.py$"
)
_CERTIFICATE = re.compile(r"usr/share/ca-certificates/.+\.crt$")
_CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}


def recipe() -> Recipe:
    """Return how `base.tar`, and out of it `certificates.tar` and `pause.tar`, are made.

    The versions of packages aren't in the key: updates are taken when the entry is made anew.
    """
    ours = files.digest(Path(__file__))
    key = store.key(PACKAGES, debian.codename(), golang.architecture(), ours)
    return Recipe("debian", key, _work, "unpacking packages", needs=packages.DEBIAN)


def _work(folder: Path) -> None:
    raw = folder / "raw.tar"
    debian.make_tree(raw, PACKAGES, variant="extract")
    members: list[Member] = []
    pause = b""
    with tarfile.open(raw) as tar:
        for header in tar:
            name = header.name.removeprefix("./")
            if _LEFT_OUT.match(name + "/" if header.isdir() else name):
                continue
            member = _taken(tar, header, name)
            members.append(member)
            if name == "usr/bin/catatonit" and isinstance(member.content, bytes):
                pause = member.content
    raw.unlink()
    members += _unconfigured()
    certificates = Member(_CERTIFICATES, _joined(members))
    write_layer(folder / "base.tar", [*members, certificates])
    write_layer(folder / "certificates.tar", [certificates])
    _pause(folder, pause)


def _pause(folder: Path, program: bytes) -> None:
    """Pack Debian's catatonit, a static program that can be a pod's pause."""
    at = folder / "catatonit"
    at.write_bytes(program)
    at.chmod(0o755)
    said = process.run([at, "--version"]).stdout
    at.unlink()
    found = re.search(r"version (\d[\d.]*)", said)
    if not found:
        raise KubeceptionError(f"catatonit: says {said!r}, which is no version")
    (folder / "pause.version").write_text(found[1])
    write_layer(folder / "pause.tar", [Member("pause", program, mode=0o755)])


def _taken(tar: tarfile.TarFile, header: tarfile.TarInfo, name: str) -> Member:
    if header.isdir():
        return Member(name, mode=header.mode)
    if header.issym():
        return Member(name, link=header.linkname, mode=0o777)
    file = tar.extractfile(header)
    if file is None:
        raise KubeceptionError(f"{name}: neither a file, a folder nor a link")
    return Member(name, file.read(), mode=header.mode)


def _unconfigured() -> Iterator[Member]:
    """Yield what the packages' own scripts would have made."""
    for family in ("iptables", "ip6tables"):
        for verb in ("", "-save", "-restore"):
            # iptables-nft-save is a name of xtables-nft-multi, which acts by its name.
            yield Member(f"usr/sbin/{family}{verb}", link=f"{family}-nft{verb}")
    for folder in ("root", "run", "proc", "sys", "dev", "var"):
        yield Member(folder, mode=0o755)
    for folder in ("tmp", "var/tmp"):
        yield Member(folder, mode=0o1777)
    for name, text in _FILES.items():
        yield Member(name, text.encode())


def _joined(members: list[Member]) -> bytes:
    found = {m.name: m.content for m in members if _CERTIFICATE.match(m.name)}
    parts = [content for _, content in sorted(found.items()) if isinstance(content, bytes)]
    return b"".join(part if part.endswith(b"\n") else part + b"\n" for part in parts)
