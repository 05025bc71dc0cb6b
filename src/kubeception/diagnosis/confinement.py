"""Settings of systemd.exec(5) and systemd.resource-control(5) with which our units can't work.

Those with which they surely can't: a limit that is merely small is its owner's matter.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from kubeception.config import Config
from kubeception.render import containerd, etcd, keeper, kubelet

# A setting that is set to anything but these, which stand for what it is without it.
_SET = r"=(?!(no|n|false|f|off|0|default|all|shared|root|~.*)?$)"
# With mounts of its own a kubelet's volumes get into no pod, though all else goes on. Each of these
# gives it some, as exec_needs_mount_namespace() in systemd's src/core/execute.c has it.
_MOUNTS = (
    "ProtectSystem|ProtectHome|PrivateTmp|PrivateMounts|PrivateDevices|PrivateIPC"
    "|ProtectKernelTunables|ProtectKernelModules|ProtectKernelLogs|ProtectControlGroups"
    "|ProtectProc|ProcSubset|MountFlags|LogNamespace|IPCNamespacePath|NetworkNamespacePath"
    "|(ReadWrite|ReadOnly|Inaccessible)(Paths|Directories)|(No)?ExecPaths|TemporaryFileSystem"
    "|Bind(ReadOnly)?Paths|RootDirectory|RootImage|MountImages|ExtensionImages|ExtensionDirectories"
)
_RIGHTS = "User|DynamicUser|PrivateUsers|PrivateNetwork|NetworkNamespacePath|CapabilityBoundingSet"
_OF_PODS = (
    f"{_MOUNTS}|{_RIGHTS}|ProtectHostname|RestrictNamespaces|RestrictAddressFamilies"
    "|SystemCallFilter"
)
_HARMFUL = {
    # What a runtime may not, no program in a pod may, either.
    containerd.UNIT: (
        f"({_OF_PODS}|NoNewPrivileges|RestrictSUIDSGID|MemoryDenyWriteExecute|ProtectClock){_SET}"
    ),
    kubelet.UNIT: f"({_OF_PODS}){_SET}",
    keeper.UNIT: f"(ProtectSystem|{_RIGHTS}){_SET}",
    etcd.UNIT: (
        "ProtectSystem=strict|(User|DynamicUser|PrivateNetwork|NetworkNamespacePath|RootDirectory"
        f"|RootImage){_SET}"
    ),
}
# What takes a folder from a unit, which may be one that it writes to.
_FOLDERS = re.compile(r"(ReadOnly|Inaccessible)(Paths|Directories)|TemporaryFileSystem")
# What gives back a part of what is taken is somebody's own who knows what they do.
_GIVEN_BACK = "ReadWritePaths"
_EVERYONE = frozenset({"any", "0.0.0.0/0"})
_NEAR = frozenset({"localhost", "link-local", "multicast", "127.0.0.0/8", "::1/128"})
# A kubelet doesn't start without it, and no policy but the open one lets it have it unasked.
_KERNELS_LOG = "kmsg"
_MIB = 2**20
_UNITS = {"": 1, "K": 2**10, "M": _MIB, "G": 2**30, "T": 2**40}
# Less than each of them takes when it has just started, and its threads; a runtime's shims have ten
# threads each.
_LEAST_MEMORY = 64 * _MIB
_LEAST_TASKS = {containerd.UNIT: 64, kubelet.UNIT: 16, keeper.UNIT: 8, etcd.UNIT: 12}


def harmful(config: Config, unit: str, said: Mapping[str, str]) -> Iterator[str]:
    """Yield which settings of a unit it can't do its work with; `said` are all that are set."""
    for name, value in said.items():
        if _is_given_back(unit, said) and name == "ProtectSystem":
            continue
        if (
            re.match(_HARMFUL[unit], f"{name}={value}", re.IGNORECASE)
            or _takes_a_folder(config, unit, name, said)
            or _cuts_off(unit, name, said)
            or _takes_the_log(unit, name, said)
            or _is_too_little(unit, name, value)
        ):
            yield name


def _is_given_back(unit: str, said: Mapping[str, str]) -> bool:
    """Tell whether somebody has given back what they have taken, of a unit whose mounts may be."""
    return _GIVEN_BACK in said and unit not in {containerd.UNIT, kubelet.UNIT}


def _takes_a_folder(config: Config, unit: str, name: str, said: Mapping[str, str]) -> bool:
    """Tell whether a folder is taken that etcd or the keeper writes to."""
    if not _FOLDERS.fullmatch(name) or _is_given_back(unit, said):
        return False
    at = config.layout
    needed = {
        etcd.UNIT: (at.etcd.state,),
        keeper.UNIT: (at.pki.folder, at.revisions.parent, at.keeper.parent),
    }.get(unit, ())
    taken = [PurePosixPath(one.lstrip("-+").partition(":")[0]) for one in said[name].split()]
    return any(folder.is_relative_to(one) for folder in needed for one in taken)


def _cuts_off(unit: str, name: str, said: Mapping[str, str]) -> bool:
    """Tell whether a unit reaches nobody, or can't listen, with nothing that is let through."""
    allowed = {*said.get(name.replace("Deny", "Allow"), "").split()}
    denied = {*said[name].split()}
    if name == "IPAddressDeny" and unit == kubelet.UNIT:  # it answers others than this host
        return bool(denied & _EVERYONE) and allowed <= _NEAR
    return name in {"IPAddressDeny", "SocketBindDeny"} and bool(denied & _EVERYONE) and not allowed


def _takes_the_log(unit: str, name: str, said: Mapping[str, str]) -> bool:
    """Tell whether a kubelet can't read the kernel's log, for what devices it may open."""
    if unit != kubelet.UNIT or _KERNELS_LOG in said.get("DeviceAllow", ""):
        return False
    is_clock = name == "ProtectClock" and bool(
        re.match(f"ProtectClock{_SET}", f"{name}={said[name]}", re.IGNORECASE)
    )
    return is_clock or (name == "DevicePolicy" and said[name] in {"closed", "strict"})


def _is_too_little(unit: str, name: str, value: str) -> bool:
    if name == "TasksMax":
        return value.isdecimal() and int(value) < _LEAST_TASKS[unit]
    number = re.fullmatch(r"(\d+)([KMGT]?)", value)
    if not number or name not in {"MemoryMax", "MemoryLimit"}:
        return False
    return int(number[1]) * _UNITS[number[2]] < _LEAST_MEMORY
