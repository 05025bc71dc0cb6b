"""Settings of others by which containerd serves no kubelet, starts no pod or does not start."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kubeception.config.model import Cni
from kubeception.diagnosis import container_programs, runtime_files
from kubeception.diagnosis.runtime_files import IMAGES, RUNTIME, Key, Value
from kubeception.errors import KubeceptionError
from kubeception.files_of_others import FileOfOthers
from kubeception.host import crictl, kernel
from kubeception.render import containerd
from kubeception.session import Session

# Each of these is what a kubelet speaks to, by its name of today or of containerd 1, or what that
# starts pods by.
# https://github.com/containerd/containerd/blob/main/docs/cri/config.md
_OF_KUBELETS = frozenset(
    {
        "cri",
        "io.containerd.grpc.v1.cri",
        "io.containerd.cri.v1.runtime",
        "io.containerd.cri.v1.images",
        "io.containerd.content.v1.content",
        "io.containerd.metadata.v1.bolt",
        "io.containerd.podsandbox.controller.v1.podsandbox",
        "io.containerd.runtime.v2.task",
        "io.containerd.snapshotter.v1.overlayfs",
    }
)
_CNI: Key = ("plugins", RUNTIME, "cni")
_CONTAINERD: Key = ("plugins", RUNTIME, "containerd")
_ADDRESS: Key = ("plugins", "io.containerd.server.v1.grpc", "address")
_ROOT: Key = ("root",)
_SANDBOX: Key = ("plugins", IMAGES, "pinned_images", "sandbox")
# What has had another name, too, by a pattern for both.
_FORMERLY = {"bin_dirs": "bin_dirs?", "sandbox": "sandbox(_image)?"}
# What containerd knows of its images and containers.
_STORED = Path("io.containerd.metadata.v1.bolt/meta.db")
# What starts containers unless another one is named, and is defined by containerd itself.
_USUAL = "runc"
_USUAL_TYPE = "io.containerd.runc.v2"


def look(session: Session, *, is_foreign: bool) -> Iterator[FileOfOthers]:
    """Yield the files that containerd can't go by; `is_foreign` is one of the host's own."""
    restart = _restart(session, is_foreign=is_foreign)
    readable: list[tuple[Path, dict[str, Any]]] = []
    for path, found in runtime_files.read(session, is_foreign=is_foreign):
        if isinstance(found, ValueError):
            aside = f"mv {path} {path}.off"
            yield FileOfOthers(path, f"containerd does not start with it: {found}", aside + restart)
            continue
        readable.append((path, found))
        disabled = found.get("disabled_plugins")
        names = _OF_KUBELETS & {*disabled} if isinstance(disabled, list) else frozenset()
        if names:
            name = min(names)
            yield FileOfOthers(
                path,
                f"it disables containerd's plugin {name}, without which no pod starts",
                f"sed -i '/disabled_plugins/s/\"{name}\"//' {path}{restart}",
            )
    said = runtime_files.merged(readable)
    problems = (
        *_of_runtime(session, said, is_foreign=is_foreign),
        *_of_network(session, said),
        *_of_socket(session, said),
    )
    for key, problem in problems:
        path = said[key].path
        yield FileOfOthers(path, problem, _taken_out(session, key, path) + restart)


def doubtful(session: Session, *, is_foreign: bool) -> Iterator[FileOfOthers]:
    """Yield the files by which a host that runs comes to harm, though one that is new may not."""
    files = runtime_files.read(session, is_foreign=is_foreign)
    said = runtime_files.merged(
        (path, found) for path, found in files if not isinstance(found, ValueError)
    )
    restart = _restart(session, is_foreign=is_foreign)
    if grouped := said.get((*_CONTAINERD, "runtimes", _default(said), "options", "SystemdCgroup")):
        yield from _of_groups(session, grouped, restart)
    if (image := said.get(_SANDBOX)) and image.value and _is_missing(session, str(image.value)):
        yield FileOfOthers(
            image.path,
            f"pods begin with the image {image.value}, which isn't on this host: none starts until"
            " it is pulled",
            _taken_out(session, _SANDBOX, image.path) + restart,
        )
    if (root := said.get(_ROOT)) and _loses_what_is_stored(session, str(root.value)):
        state = session.config.layout.containerd.state
        yield FileOfOthers(
            root.path,
            f"its root is {root.value}: when containerd next starts, it has none of the images and"
            f" containers in {state}",
            _taken_out(session, _ROOT, root.path) + restart,
        )


def _is_missing(session: Session, image: str) -> bool:
    """Tell whether the runtime says that it has no such image; of one that is off nobody knows."""
    socket = session.config.layout.containerd.socket
    try:
        crictl.tell(session.host, socket, "inspecti", "--quiet", image, call_s=5, timeout_s=10)
    except KubeceptionError as error:
        return "no such image" in str(error)
    return False


def _of_groups(session: Session, one: Value, restart: str) -> Iterator[FileOfOthers]:
    """Yield that containers are grouped otherwise than the kubelet is told to group pods."""
    is_wanted = kernel.cgroup_version(session.host.inside) == 2
    if one.value is is_wanted:
        return
    of_kubelet, here = ("systemd", "cgroupfs") if is_wanted else ("cgroupfs", "systemd")
    right = str(is_wanted).lower()
    yield FileOfOthers(
        one.path,
        f"by its SystemdCgroup containers are grouped by {here}, and the kubelet's settings say"
        f" {of_kubelet}: what pods may take is not kept, or none starts",
        f"sed -i -E 's/(SystemdCgroup *= *)[a-z]+/\\1{right}/' {one.path}{restart}",
    )


def _loses_what_is_stored(session: Session, root: str) -> bool:
    """Tell whether containerd has stored something, and nothing yet where it is to look next."""
    here, there = session.config.layout.containerd.state, Path("/", root)
    return (
        session.host.real(here) != session.host.real(there)
        and session.host.real(here / _STORED).exists()
        and not session.host.real(there / _STORED).exists()
    )


def _restart(session: Session, *, is_foreign: bool) -> str:
    ours = session.host.at(session.config.layout.units / containerd.UNIT)
    return f"; systemctl try-restart {containerd.UNIT}" if is_foreign or ours.exists() else ""


def _default(said: Mapping[Key, Value]) -> str:
    return _text(said, (*_CONTAINERD, "default_runtime_name")) or _USUAL


def _text(said: Mapping[Key, Value], key: Key) -> str:
    return str(said[key].value) if key in said else ""


def _of_runtime(
    session: Session, said: Mapping[Key, Value], *, is_foreign: bool
) -> Iterator[tuple[Key, str]]:
    """Yield why the runtime starts no container of a pod that names no other one."""
    name = _default(said)
    named: Key = (*_CONTAINERD, "default_runtime_name")
    its: Key = (*_CONTAINERD, "runtimes", name)
    if name != _USUAL and not any(key[: len(its)] == its for key in said):
        yield named, f"its default_runtime_name is {name!r}, which no file defines: no pod starts"
        return
    kind = _text(said, (*its, "runtime_type")) or (_USUAL_TYPE if name == _USUAL else "")
    if not kind:
        yield named, f"its default runtime {name!r} has no runtime_type: no pod starts"
        return
    of_path, of_program = (*its, "runtime_path"), (*its, "options", "BinaryName")
    for key, wanted in (
        (of_program, _text(said, of_program)),
        (of_path, _text(said, of_path))
        if of_path in said
        else ((*its, "runtime_type"), _shim(kind)),
    ):
        if wanted and not _is_there(session, wanted, is_foreign=is_foreign):
            what = f"its default runtime {name!r} needs {wanted}, which isn't there: no pod starts"
            yield named if named in said else key, what


def _shim(kind: str) -> str:
    """Return the program that carries out a type of runtimes, but for the one that we bring."""
    if kind == _USUAL_TYPE or kind.startswith("/"):
        return kind.removeprefix(_USUAL_TYPE)
    return "-".join(("containerd-shim", *kind.split(".")[-2:]))


def _is_there(session: Session, program: str, *, is_foreign: bool) -> bool:
    """Tell whether containerd finds a program; one of the host's own has a PATH of its own."""
    if program.startswith("/"):
        return session.host.real(Path(program)).exists()
    path = f"{session.config.layout.launchers}:{container_programs.PATH}"
    return is_foreign or session.host.find(program, path=path) is not None


def _of_network(session: Session, said: Mapping[Key, Value]) -> Iterator[tuple[Key, str]]:
    """Yield why pods get no network of flannel's, which is for where it has its files."""
    if session.config.net.cni is not Cni.FLANNEL:
        return
    at, real = session.config.layout.cni, session.host.real
    its = (*_CONTAINERD, "runtimes", _default(said), "cni_conf_dir")
    for key in ((*_CNI, "conf_dir"), its):
        one = said.get(key)
        if one and one.value and real(Path("/", str(one.value))) != real(at.settings):
            yield (
                key,
                f"its {key[-1]} is {one.value}, and flannel's settings are in {at.settings}: no pod"
                " gets flannel's network",
            )
    found = said.get((*_CNI, "bin_dirs"))
    listed = found.value if found and isinstance(found.value, list) else []
    folders = [Path("/", str(one)) for one in listed]
    if not folders or real(at.plugins) in map(real, folders):
        return
    for plugin in container_programs.plugins(session.config):
        if not any(real(folder / plugin.name).exists() for folder in folders):
            shown = ", ".join(map(str, folders))
            what = f"its bin_dirs are {shown}, without the plugin {plugin.name}: no pod starts"
            yield (*_CNI, "bin_dirs"), what
            return


def _of_socket(session: Session, said: Mapping[Key, Value]) -> Iterator[tuple[Key, str]]:
    wanted, real = session.config.layout.containerd.socket, session.host.real
    one = said.get(_ADDRESS)
    if one and one.value and real(Path("/", str(one.value))) != real(wanted):
        yield _ADDRESS, f"its address is {one.value}, and the kubelet speaks to {wanted}"


def _taken_out(session: Session, key: Key, path: Path) -> str:
    """Return the command that takes a line out of a file, or the file aside where that is no help.

    It helps where the file can be read without the line, and sets no such thing any more; a second
    line of that name may be about something else.
    """
    name = _FORMERLY.get(key[-1], re.escape(key[-1]))
    line = rf"^[ \t]*{name}[ \t]*=.*$"
    try:
        text = session.host.real(path).read_text()
        without, lines = re.subn(line, "", text, flags=re.M)
        left = runtime_files.merged([(path, tomllib.loads(without))])
    except (OSError, ValueError):
        return f"mv {path} {path}.off"
    if key in left or lines > 1:
        return f"mv {path} {path}.off"
    return rf"sed -i -E '/^[ \t]*{name}[ \t]*=/d' {path}"
