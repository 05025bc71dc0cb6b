"""What a control-plane pod sees of its host's files: copies of its own ones, in its own folder.

The folder is a root in little: the copy of a file lies at the file's own path below it, and the pod
sees the copies in the place of the host's files. So flags and kubeconfigs name the same paths as on
the host. It is folders of keys that are mounted, and not each file: a renewed one takes its place
by a rename, which a mount of the file alone would not show.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kubeception.config import flags
from kubeception.config.cluster import ClusterSettings
from kubeception.render import objects

# Users of no name that pods run as, outside of all ranges that systemd or a distribution gives
# away (systemd's docs/UIDS-GIDS.md); each has a group of the same number.
SCHEDULER_USER = 65523
JOIN_USER = 65524
CONTROLLER_USER = 65525
ROOT = 0


@dataclass(frozen=True)
class PodFolder:
    """The folder of one component, the files of the host that are copied there, and for whom.

    Of a file that is a folder, all that lies in it is copied.
    """

    path: Path
    shown: tuple[Path, ...]
    """The host's folders of keys, in whose place the pod sees the copies."""
    files: tuple[Path, ...]
    user: int = ROOT

    def copy(self, path: Path) -> Path:
        """Return where the copy of a file of the host lies."""
        return self.path / path.relative_to("/")

    def seen(self, path: Path) -> Path:
        """Return what of the host the pod is given at a path: copies, where it has any there."""
        return self.copy(path) if path in {*self.shown, *self.files} else path

    @property
    def run_as(self) -> objects.Object:
        """Who the pod's processes are, for its securityContext; root, where nothing is said."""
        if self.user == ROOT:
            return {}
        return {"runAsNonRoot": True, "runAsUser": self.user, "runAsGroup": self.user}


def volumes(folder: PodFolder) -> dict[str, tuple[Path, str]]:
    """Return the mounts that show it: name → (path in the pod, type)."""
    names = ("pki", "etcd-pki")
    return {name: (path, "Directory") for name, path in zip(names, folder.shown, strict=False)}


def of(
    component: str, settings: ClusterSettings, files: Iterable[Path], *, user: int = ROOT
) -> PodFolder:
    """Return a component's folder with these files."""
    wanted = tuple(sorted({*files}))
    at = settings.layout
    keys = [at.pki.folder]
    if not at.pki.etcd_folder.is_relative_to(at.pki.folder):
        keys.append(at.pki.etcd_folder)
    shown = tuple(key for key in keys if any(path.is_relative_to(key) for path in wanted))
    return PodFolder(at.pods / component, shown, wanted, user)


def named(
    program: str, values: Mapping[str, str], settings: ClusterSettings, *, user: int = ROOT
) -> set[Path]:
    """Return those files that a program's flags and the user's mounts name and that are copied.

    They are those among the keys; and what else flags name, for a user who could not read it.
    """
    read = {path for _, path in flags.named(program, values)}
    mounted = {Path(mount.path) for mount in getattr(settings, program).extra_mounts}
    copied = {path for path in read | mounted if is_key(path, settings)}
    return copied if user == ROOT else copied | read


def is_key(path: Path, settings: ClusterSettings) -> bool:
    """Tell whether a path lies in one of the host's folders of keys."""
    at = settings.layout.pki
    return any(path.is_relative_to(folder) for folder in (at.folder, at.etcd_folder))
