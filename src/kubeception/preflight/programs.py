"""The programs that the host runs: there, and of a version that we support, by their own words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kubeception import versions
from kubeception.diagnosis import container_programs
from kubeception.diagnosis.container_programs import Missing
from kubeception.errors import KubeceptionError
from kubeception.host import kernel, refusal
from kubeception.preflight.finding import Finding, of_path, warning
from kubeception.preflight.host_state import HostState
from kubeception.render import containerd, etcd, kubelet

_ANSWER_S = 10.0


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
    session, missing = seen.session, list[Missing]()
    for program in _programs(seen):
        path = _path(seen, program)
        if path is not None and not session.host.real(path).exists():
            missing.append(container_programs.not_there(session, path))
    if containerd.UNIT not in seen.foreign:
        missing += container_programs.missing(session)
    for one in missing:
        yield Finding(f"FileExisting-{one.path.name}", str(one), one.hint)


def may_run(seen: HostState) -> Iterator[Finding]:
    """Want file systems from which programs may run; a launcher is one, a link to another isn't."""
    at, host = seen.config.layout, seen.session.host
    called = (
        at.launchers / "kubeception",
        *(path for one in _programs(seen) if (path := _path(seen, one))),
        *container_programs.runtime(seen.config),
        *container_programs.plugins(seen.config),
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


def _version(seen: HostState, program: Program, path: Path) -> Iterator[Finding]:
    supported = seen.release.supported[program.name]
    hint = f"want {program.name} {supported}"
    if program.unit in seen.foreign:
        hint += f", or remove {program.unit}, the host's own, to have the bundle's"
    else:
        hint += f": {container_programs.bringing(seen.session, path)}"
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
