"""What another tool has left of its kubelet and its control plane, with what removes it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from kubeception.preflight.finding import Finding, of_path
from kubeception.preflight.host_state import HostState
from kubeception.render import apiserver, controllers, kubelet

# Other tools' own control plane, as static pods of these names: ours have others.
_COMPONENTS = frozenset({"etcd", apiserver.NAME, *(one.name for one in controllers.BOTH)})
# What a kubelet remembers of how it gave out cores and memory, by which flag, which is this unless
# said otherwise; it doesn't start where it remembers another policy.
_POLICIES = {
    "cpu_manager_state": ("cpu-manager-policy", "none"),
    "memory_manager_state": ("memory-manager-policy", "None"),
}
# Where systemd looks for drop-ins, the first one of a name counts; see systemd.unit(5).
_UNITS = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system")
_OF_PACKAGES = ("/usr/lib/systemd/system", "/lib/systemd/system")


def static_pods(seen: HostState) -> Iterator[Finding]:
    """Want no control plane of another tool's beside ours, which the kubelet would start."""
    if seen.is_worker:  # its kubelet starts none
        return
    folder = seen.config.layout.kubelet.manifests
    found = seen.session.host.real(folder)
    for path in sorted(found.iterdir()) if found.is_dir() else ():
        if path.stem in _COMPONENTS and path.is_file():
            at = folder / path.name
            yield Finding(
                of_path("FileContent", at),
                f"{at}: another tool's {path.stem}, which would start beside this cluster's",
                f"mv {at} {folder.parent}/{path.name}.off",
            )


def kubelet_state(seen: HostState) -> Iterator[Finding]:
    """Want no state that a kubelet would not start with: of another policy, or cut off."""
    if kubelet.UNIT in seen.foreign:  # its settings are its own
        return
    folder = seen.config.layout.kubelet.state
    for name, (flag, default) in _POLICIES.items():
        wanted = seen.config.kubelet.extra_args.get(flag, default)
        if problem := _state_problem(seen.session.host.real(folder / name), flag, wanted):
            yield Finding(
                of_path("FileContent", folder / name),
                f"{folder / name}: {problem}: the kubelet would not start",
                f"rm {folder / name}",
            )


def _state_problem(path: Path, flag: str, wanted: str) -> str | None:
    try:
        kept = json.loads(path.read_text())["policyName"]
    except OSError:  # there is none, or it can't be read by this user
        return None
    except (ValueError, TypeError, KeyError):
        return "is no state of a kubelet"
    return None if kept == wanted else f"is of {flag} {kept!r}, and this host's is {wanted!r}"


def drop_ins(seen: HostState) -> Iterator[Finding]:
    """Want no drop-in of another tool's that has our unit of the kubelet run its command."""
    if kubelet.UNIT in seen.foreign:
        return
    for path in _drop_ins(seen, kubelet.UNIT):
        commands = re.findall(
            r"^[ \t]*ExecStart[ \t]*=[ \t]*(.*)$", _text(seen, path), re.MULTILINE
        )
        if commands and commands[-1] and kubelet.ARGUMENTS not in commands[-1]:
            yield Finding(
                of_path("FileContent", path),
                f"{path}: has {kubelet.UNIT} run {commands[-1].split()[0]} with another tool's"
                " flags",
                f"{_taken_out(path)}; systemctl daemon-reload",
            )


def _drop_ins(seen: HostState, unit: str) -> Iterator[Path]:
    """Yield a unit's drop-ins, of those of one name the one that counts."""
    names = set[str]()
    for folder in (*_UNITS, *_OF_PACKAGES):
        at = Path(folder) / f"{unit}.d"
        found = seen.session.host.real(at)
        for path in sorted(found.glob("*.conf")) if found.is_dir() else ():
            if path.name not in names:
                names.add(path.name)
                yield at / path.name


def _text(seen: HostState, path: Path) -> str:
    try:
        return seen.session.host.real(path).read_text(errors="replace")
    except OSError:
        return ""


def _taken_out(path: Path) -> str:
    """Return the command that takes a drop-in out; one of a package comes back with that."""
    if str(path.parent.parent) not in _OF_PACKAGES:
        return f"rm {path}"
    over = Path(_UNITS[0]) / path.parent.name
    return f"mkdir -p {over}; ln -sf /dev/null {over / path.name}"
