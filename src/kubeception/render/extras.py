"""What a pod has beside what we give it: mounts that the user asks for, and what its flags name.

A file that a flag names is mounted by itself, so that the pod sees nothing else of its folder. Such
a mount shows what was there when the container started, also when an editor puts another file in
its place: the digest in the pod's template replaces the pod, and until then the old one is right.
Who wants a program to see edits at once mounts the folder.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from kubeception.config import flags
from kubeception.config.cluster import ClusterSettings
from kubeception.config.model import Pod
from kubeception.render import objects
from kubeception.render.pod_folder import PodFolder

# A digest of the files that flags name, so that a pod is replaced when one of them is edited.
FILES_NOTE = "kubeception.dev/files"


def files_note(program: str, settings: ClusterSettings) -> dict[str, str]:
    """Return the annotation of a pod's template, none where its flags name none of these."""
    named = {str(path) for _, path in flags.named(program, getattr(settings, program).extra_args)}
    digests = {path: settings.files[path] for path in named & {*settings.files}}
    return {FILES_NOTE: objects.digest(digests)} if digests else {}


def volumes(
    program: str,
    asked: Pod,
    ours: Mapping[str, tuple[Path, str]],
    *,
    writable: Sequence[str] = (),
    folder: PodFolder | None = None,
) -> objects.Object:
    """Return a pod's hostPath volumes and their mounts, by `volumes` and `volumeMounts`.

    What another mount shows already is not mounted a second time, unless it has to be writable.
    What is copied to the pod's own `folder` is taken from there.
    """
    paths, may_write = dict(ours), {*writable}
    for name, path, kind, writes in _wanted(program, asked):
        around = [one for one in paths if path.is_relative_to(paths[one][0])]
        nearest = max(around, key=lambda one: len(paths[one][0].parts), default=None)
        if nearest is None or (writes and nearest not in may_write and paths[nearest][0] != path):
            nearest = name if name not in paths else f"{name}-2"  # such as a certificate's key
            paths[nearest] = (path, kind)
        if writes:
            may_write.add(nearest)
    on_host = {
        name: (folder.seen(path) if folder else path, kind) for name, (path, kind) in paths.items()
    }
    return {
        "volumes": objects.volumes(on_host),
        "volumeMounts": objects.mounts(paths, writable=tuple(may_write)),
    }


def _wanted(program: str, asked: Pod) -> Iterator[tuple[str, Path, str, bool]]:
    """Yield a name, a path, its kind, and whether the pod writes there."""
    for number, mount in enumerate(asked.extra_mounts, 1):
        yield f"extra-{number}", Path(mount.path), "", mount.writable
    for flag, path in flags.written(program, asked.extra_args):
        yield flag, path, "DirectoryOrCreate", True
    for flag, path in flags.named(program, asked.extra_args):
        is_folder = flag in flags.PROGRAMS[program].folders
        yield flag, path, "Directory" if is_folder else "File", False
