"""What kubeception needs of the host itself: root, systemd, nftables, cgroups."""

import re
from collections.abc import Iterator
from pathlib import Path

from kubeception.endpoints import API_PORT, LOOPBACK
from kubeception.errors import KubeceptionError
from kubeception.host import door, kernel, links
from kubeception.kept import membership
from kubeception.preflight.finding import Finding, warning
from kubeception.preflight.host_state import HostState
from kubeception.render import kubelet

_KERNELS_LOG = Path("/dev/kmsg")
_KERNELS_LOG_MADE = (
    f"echo 'L {_KERNELS_LOG} - - - - /dev/console' > /etc/tmpfiles.d/kmsg.conf;"
    " systemd-tmpfiles --create kmsg.conf"
)
_CONTROLLERS = frozenset({"cpu", "cpuset", "memory", "pids"})


def privileges(seen: HostState) -> Iterator[Finding]:
    """Want root."""
    if not seen.is_root:
        yield Finding("IsPrivilegedUser", "this user is not root", "sudo kubeception …")


def role(seen: HostState) -> Iterator[Finding]:
    """Want a host that is not the other kind already, by the file that makes it one."""
    at = seen.layout
    if seen.is_worker:
        if at.pki.ca.key.exists() or at.etcd.data.exists() or at.member.exists():
            what = "this host is a control-plane host, or was one"
            yield Finding("Role", what, "kubeception reset --etcd --pki, if it is to be a worker")
    elif member := membership.read(at.membership):
        what = f"this host is a worker of {member.apiserver}"
        yield Finding("Role", what, "kubeception reset, if it is to be a control-plane host")


def service_manager(seen: HostState) -> Iterator[Finding]:
    """Want systemd on D-Bus."""
    if seen.no_systemd:
        hint = "systemctl start dbus; in a container, mount the host's / at /host"
        yield Finding("Systemd", seen.no_systemd.message, hint)


def packet_filter(seen: HostState) -> Iterator[Finding]:
    """Want nftables with NAT: nft and the kernel are asked for the very table of the door."""
    if not seen.is_root:  # it would refuse everything
        return
    try:
        refusal = door.refusal(
            port=API_PORT,
            address=seen.address or LOOPBACK,
            service_address=seen.config.net.apiserver_ip,
        )
    except KubeceptionError as error:
        yield Finding("FileExisting-nft", error.message, "apt-get install nftables")
        return
    if refusal:
        hint = "modprobe nft_nat nft_redir nft_fib_ipv4 nft_ct; nft needs JSON support, too"
        yield Finding("Nftables", f"nft refuses a table with NAT: {refusal}", hint)


def routes(seen: HostState) -> Iterator[Finding]:
    """Want the programs that tell of routes and links, which a keeper looks at."""
    if seen.is_root and not links.has_iproute():
        what = "there is no ip, or no bridge: what is taken of the pods' network is not seen"
        yield warning("FileExisting-ip", what, "apt-get install iproute2")


def cgroups(seen: HostState) -> Iterator[Finding]:
    """Want a kubelet that takes this host's cgroups; ours is told to take version 1, too."""
    if kernel.cgroup_version(seen.session.host.inside) != 1:
        return
    state = seen.units.get(kubelet.UNIT)
    if state and kubelet.UNIT in seen.foreign:
        settings = own_settings(seen, state.command)
        if settings and refuses_version_1(seen.session.host.real(settings), state.command):
            yield Finding(
                "CgroupVersion",
                f"this host has cgroup v1, which the kubelet refuses by {settings}",
                "boot with systemd.unified_cgroup_hierarchy=1, or set failCgroupV1: false there",
            )
            return
    yield warning(
        "CgroupVersion",
        "this host has cgroup v1, which Kubernetes drops from 1.38 on",
        "boot with systemd.unified_cgroup_hierarchy=1",
    )


def controllers(seen: HostState) -> Iterator[Finding]:
    """Want what kubelet and runtime share out to pods; some boards boot without that of memory.

    https://kubernetes.io/docs/concepts/architecture/cgroups
    """
    lacking = sorted(_CONTROLLERS - kernel.controllers(seen.session.host.inside))
    if lacking:
        names = ", ".join(lacking)
        what = f"the kernel has no cgroup controller {names}, so no pod could be given its share"
        hint = f"boot with cgroup_enable={lacking[0]}, and without cgroup_disable={lacking[0]}"
        yield Finding("CgroupControllers", what, hint)


def kernels_log(seen: HostState) -> Iterator[Finding]:
    """Want what a kubelet reads of the kernel, or ends: LXC leaves it out of its containers."""
    if not seen.session.host.real(_KERNELS_LOG).exists():
        what = f"{_KERNELS_LOG}: no such file, without which no kubelet starts"
        yield Finding("FileExisting-kmsg", what, _KERNELS_LOG_MADE)


def own_settings(seen: HostState, command: tuple[str, ...]) -> Path | None:
    """Return the settings file that a unit names itself, where that isn't ours."""
    named = re.findall(r"--config[= ](\S+)", " ".join(command))
    own = Path(named[-1]) if named else None
    return None if own == seen.config.layout.kubelet.settings else own


def refuses_version_1(settings: Path, command: tuple[str, ...]) -> bool:
    """Tell whether a kubelet with these settings and flags refuses cgroup v1, as by default."""
    if "--fail-cgroupv1=false" in command:
        return False
    try:
        text = settings.read_text()
    except OSError:
        return False
    return not re.search(r'\bfailCgroupV1"?\s*:\s*false\b', text)
