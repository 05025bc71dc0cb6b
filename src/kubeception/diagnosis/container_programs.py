"""The programs by which containers start on a host: the runtime's, and the network's plugins."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kubeception.config import Config
from kubeception.config.model import Cni
from kubeception.diagnosis import hinted
from kubeception.gather import is_foreign
from kubeception.render import containerd
from kubeception.session import Session
from kubeception.versions import LISTING

_IMPORT = "kubeception bundle import"
# Where containerd's own unit looks for these, after the launchers.
PATH = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
_RUNTIME = ("containerd-shim-runc-v2", "runc")
_CNI = ("loopback",)
_CNI_OF_FLANNEL = ("bridge", "flannel", "host-local", "portmap")


@dataclass(frozen=True)
class Missing:
    """One that is not there, and the command that brings it."""

    path: Path
    hint: str

    def __str__(self) -> str:
        return f"{self.path}: no such file"


def problem(session: Session) -> str | None:
    """Say which are missing, each with what brings it; what runs doesn't need them any more."""
    if is_foreign(session, containerd.UNIT):
        return None
    return hinted.told(missing(session))


def missing(session: Session) -> Iterator[Missing]:
    """Yield those that are, of a runtime of ours: another one has its own."""
    config = session.config
    for path in runtime(config):
        if not session.host.find(path.name, path=f"{path.parent}:{PATH}"):
            yield not_there(session, path)
    for path in plugins(config):
        if not session.host.real(path).exists():
            yield not_there(session, path)


def runtime(config: Config) -> list[Path]:
    """Return where our runtime has its programs, beside itself."""
    return [config.layout.launchers / name for name in _RUNTIME]


def plugins(config: Config) -> list[Path]:
    """Return where the plugins of the network are."""
    names = _CNI + (_CNI_OF_FLANNEL if config.net.cni is Cni.FLANNEL else ())
    return [config.layout.cni.plugins / name for name in names]


def not_there(session: Session, path: Path) -> Missing:
    """Return that a program of the bundle is not in its place."""
    return Missing(path, bringing(session, path))


def bringing(session: Session, path: Path) -> str:
    """Return the command that brings a program which is missing, or is another one."""
    bundle = session.config.layout.bundle
    at = session.host.real(path.parent) / path.name
    target = at.readlink() if at.is_symlink() else None
    # Where the link is right it is the bundle that is not.
    is_right = target in (bundle / "bin" / path.name, bundle / "bin/cni" / path.name)
    source = "DIR" if is_right or not (session.layout.bundle / LISTING).is_file() else bundle
    is_anothers = os.path.lexists(at) and not (target and target.is_relative_to(bundle))
    aside = f"mv {path} {path}.old; " if is_anothers else ""
    return f"{aside}{_IMPORT} {source}"
