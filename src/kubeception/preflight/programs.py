"""The programs that the host runs: there, and of a version that we support, by their own words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kubeception import versions
from kubeception.config.model import Cni
from kubeception.errors import KubeceptionError
from kubeception.preflight.finding import Finding, warning
from kubeception.preflight.scene import Scene
from kubeception.render import containerd, etcd, kubelet

_ANSWER_S = 10.0
_IMPORT = "kubeception bundle import"
# Where containerd's own unit looks for these, after the launchers.
_PATH = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
_RUNTIME = ("containerd-shim-runc-v2", "runc")
_CNI = ("loopback",)
_CNI_OF_FLANNEL = ("bridge", "flannel", "host-local", "portmap")


@dataclass(frozen=True)
class Program:
    """A program that a unit runs; `answer` stands before the version in its `--version`."""

    name: str
    unit: str
    check: str
    answer: str


PROGRAMS = (
    Program("etcd", etcd.UNIT, "EtcdVersion", r"^etcd Version: "),
    Program("containerd", containerd.UNIT, "ContainerRuntimeVersion", r"^containerd \S+ "),
    Program("kubelet", kubelet.UNIT, "KubeletVersion", r"^Kubernetes "),
)


def _programs(scene: Scene) -> tuple[Program, ...]:
    """Return the programs that this host runs; etcd is for control-plane hosts."""
    return tuple(one for one in PROGRAMS if one.unit != etcd.UNIT or not scene.is_worker)


def files(scene: Scene) -> Iterator[Finding]:
    """Want every program that is called by name."""
    at = scene.config.layout
    for program in _programs(scene):
        path = _path(scene, program)
        if path is not None and not scene.reach.host.real(path).exists():
            yield _missing(program.name, path)
    if containerd.UNIT in scene.foreign:
        return
    for name in _RUNTIME:
        if not scene.reach.host.find(name, path=f"{at.launchers}:{_PATH}"):
            yield _missing(name, at.launchers / name)
    plugins = _CNI + (_CNI_OF_FLANNEL if scene.config.net.cni is Cni.FLANNEL else ())
    for name in plugins:
        if not scene.reach.host.real(at.cni.plugins / name).exists():
            yield _missing(name, at.cni.plugins / name)


def supported(scene: Scene) -> Iterator[Finding]:
    """Want versions that we support."""
    for program in _programs(scene):
        path = _path(scene, program)
        if path is None:
            command = " ".join(scene.units[program.unit].command)
            hint = f"want {program.name} {scene.release.supported[program.name]}"
            yield warning(program.check, f"{program.unit} runs {command!r}: version unknown", hint)
        elif scene.reach.host.real(path).exists():
            yield from _version(scene, program, path)


def own_units(scene: Scene) -> Iterator[Finding]:
    """Want the host's own units to read the files that we write for them."""
    wanted = {
        etcd.UNIT: ("etcd", scene.config.layout.etcd.environment),
        kubelet.UNIT: ("kubelet", scene.config.layout.kubelet.environment),
    }
    if scene.is_worker:
        del wanted[etcd.UNIT]
    for unit, (section, path) in wanted.items():
        if unit in scene.foreign and path not in scene.units[unit].environment:
            yield warning(
                f"Service-{section}",
                f"{unit} is the host's own and does not read {path}",
                f"set config_file in the [{section}] section to the file that it reads",
            )


def _path(scene: Scene, program: Program) -> Path | None:
    """Return what the unit runs, None where the host's own unit runs it by something else."""
    if program.unit not in scene.foreign:
        return scene.config.layout.launchers / program.name
    command = scene.units[program.unit].command
    if command and Path(command[0]).name == program.name:
        return Path(command[0])
    return scene.reach.host.find(program.name)


def _missing(name: str, path: Path) -> Finding:
    return Finding(f"FileExisting-{name}", f"{path}: no such file", _IMPORT)


def _version(scene: Scene, program: Program, path: Path) -> Iterator[Finding]:
    supported = scene.release.supported[program.name]
    hint = f"want {program.name} {supported}; {_IMPORT} brings one"
    if program.unit in scene.foreign:
        hint += f", once {program.unit}, the host's own, is gone"
    try:
        said = scene.reach.host.run([path, "--version"], check=False, timeout=_ANSWER_S)
    except KubeceptionError as error:  # such as one built for another architecture
        yield Finding(program.check, error.message, hint)
        return
    found = re.search(rf"{program.answer}v?(\d+)\.(\d+)(?:\.(\d+))?", said.stdout, re.MULTILINE)
    if found is None:
        words = (said.stdout or said.stderr).strip().partition("\n")[0]
        yield Finding(program.check, f"{path}: says {words!r}, which is no version of it", hint)
        return
    version = tuple(int(number) for number in found.groups("0"))
    if version not in supported:
        what = f"{path}: is {program.name} {versions.dotted(version)}"
        yield Finding(program.check, what, hint)
