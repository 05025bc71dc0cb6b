"""What another tool has left of its kubelet and its control plane, with what removes it."""

import json
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
