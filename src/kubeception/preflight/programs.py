"""The programs that the host runs: there, and of a version that we support, by their own words."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kubeception import versions
from kubeception.config.model import Cni
from kubeception.errors import KubeceptionError
from kubeception.host import kernel, refusal
from kubeception.preflight.finding import Finding, of_path, warning
from kubeception.preflight.host_state import HostState
from kubeception.render import containerd, etcd, kubelet
from kubeception.versions import LISTING

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


def _programs(seen: HostState) -> tuple[Program, ...]:
    """Return the programs that this host runs; etcd is for control-plane hosts."""
    return tuple(one for one in PROGRAMS if one.unit != etcd.UNIT or not seen.is_worker)


def files(seen: HostState) -> Iterator[Finding]:
    """Want every program that is called by name."""
    at = seen.config.layout
    for program in _programs(seen):
        path = _path(seen, program)
        if path is not None and not seen.session.host.real(path).exists():
            yield _missing(seen, program.name, path)
    if containerd.UNIT in seen.foreign:
        return
    for name in _RUNTIME:
        if not seen.session.host.find(name, path=f"{at.launchers}:{_PATH}"):
            yield _missing(seen, name, at.launchers / name)
    plugins = _CNI + (_CNI_OF_FLANNEL if seen.config.net.cni is Cni.FLANNEL else ())
    for name in plugins:
        if not seen.session.host.real(at.cni.plugins / name).exists():
            yield _missing(seen, name, at.cni.plugins / name)


def may_run(seen: HostState) -> Iterator[Finding]:
    """Want file systems from which programs may run; a launcher is one, a link to another isn't."""
    at, host = seen.config.layout, seen.session.host
    called = (
        at.launchers / "kubeception",
        *(path for one in _programs(seen) if (path := _path(seen, one))),
        *(at.launchers / name for name in _RUNTIME),
        *(at.cni.plugins / name for name in (*_CNI, *_CNI_OF_FLANNEL)),
    )
    kept: dict[Path, list[str]] = {}
    for path in called:
        real = host.real(path)
        if real.exists() and not kernel.runs_programs_of(real):
            kept.setdefault(host.named(kernel.mount_point(real)), []).append(path.name)
    for point, names in kept.items():
        what = f"{point}: {refusal.NOEXEC}: {', '.join(names)}"
        yield Finding(of_path("Exec", point), what, refusal.may_run(point))


def supported(seen: HostState) -> Iterator[Finding]:
    """Want versions that we support."""
    for program in _programs(seen):
        path = _path(seen, program)
        if path is None:
            command = " ".join(seen.units[program.unit].command)
            hint = f"want {program.name} {seen.release.supported[program.name]}"
            yield warning(program.check, f"{program.unit} runs {command!r}: version unknown", hint)
        elif seen.session.host.real(path).exists():
            yield from _version(seen, program, path)


def own_units(seen: HostState) -> Iterator[Finding]:
    """Want the host's own units to read the files that we write for them."""
    wanted = {
        etcd.UNIT: ("etcd", seen.config.layout.etcd.environment),
        kubelet.UNIT: ("kubelet", seen.config.layout.kubelet.environment),
    }
    if seen.is_worker:
        del wanted[etcd.UNIT]
    for unit, (section, path) in wanted.items():
        if unit in seen.foreign and path not in seen.units[unit].environment:
            yield warning(
                f"Service-{section}",
                f"{unit} is the host's own and does not read {path}",
                f"set config_file in the [{section}] section to the file that it reads",
            )


def _path(seen: HostState, program: Program) -> Path | None:
    """Return what the unit runs, None where the host's own unit runs it by something else."""
    if program.unit not in seen.foreign:
        return seen.config.layout.launchers / program.name
    command = seen.units[program.unit].command
    if command and Path(command[0]).name == program.name:
        return Path(command[0])
    return seen.session.host.find(program.name)


def _missing(seen: HostState, name: str, path: Path) -> Finding:
    return Finding(f"FileExisting-{name}", f"{path}: no such file", _bringing(seen, path))


def _bringing(seen: HostState, path: Path) -> str:
    """Return the command that brings a program which is missing, or is another one."""
    bundle = seen.config.layout.bundle
    at = seen.session.host.real(path.parent) / path.name
    target = at.readlink() if at.is_symlink() else None
    # Where the link is right it is the bundle that is not.
    is_right = target in (bundle / "bin" / path.name, bundle / "bin/cni" / path.name)
    source = "DIR" if is_right or not (seen.layout.bundle / LISTING).is_file() else bundle
    is_foreign = os.path.lexists(at) and not (target and target.is_relative_to(bundle))
    aside = f"mv {path} {path}.old; " if is_foreign else ""
    return f"{aside}{_IMPORT} {source}"


def _version(seen: HostState, program: Program, path: Path) -> Iterator[Finding]:
    supported = seen.release.supported[program.name]
    hint = f"want {program.name} {supported}"
    if program.unit in seen.foreign:
        hint += f", or remove {program.unit}, the host's own, to have the bundle's"
    else:
        hint += f": {_bringing(seen, path)}"
    try:
        said = seen.session.host.run([path, "--version"], check=False, timeout=_ANSWER_S)
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
