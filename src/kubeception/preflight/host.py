"""What kubeception needs of the host itself: root, systemd, nftables, cgroups."""

import re
from collections.abc import Iterator
from pathlib import Path

from kubeception import membership
from kubeception.endpoints import API_PORT
from kubeception.errors import KubeceptionError
from kubeception.host import door, kernel
from kubeception.preflight.finding import Finding, warning
from kubeception.preflight.scene import Scene
from kubeception.render import kubelet


def privileges(scene: Scene) -> Iterator[Finding]:
    """Want root."""
    if not scene.is_root:
        yield Finding("IsPrivilegedUser", "this user is not root", "sudo kubeception …")


def role(scene: Scene) -> Iterator[Finding]:
    """Want a host that is not the other kind already, by the file that makes it one."""
    at = scene.layout
    if scene.is_worker:
        if at.pki.ca.key.exists() or at.etcd.data.exists() or at.member.exists():
            what = "this host is a control-plane host, or was one"
            yield Finding("Role", what, "kubeception reset --etcd --pki, if it is to be a worker")
    elif member := membership.read(at.membership):
        what = f"this host is a worker of {member.apiserver}"
        yield Finding("Role", what, "kubeception reset, if it is to be a control-plane host")


def service_manager(scene: Scene) -> Iterator[Finding]:
    """Want systemd on D-Bus."""
    if scene.no_systemd:
        hint = "systemctl start dbus; in a container, mount the host's / at /host"
        yield Finding("Systemd", scene.no_systemd.message, hint)


def packet_filter(scene: Scene) -> Iterator[Finding]:
    """Want nftables with NAT: nft and the kernel are asked for the very table of the door."""
    if not scene.is_root:  # it would refuse everything
        return
    try:
        refusal = door.refusal(
            port=API_PORT,
            address=scene.address or "127.0.0.1",
            service_address=scene.config.net.apiserver_ip,
        )
    except KubeceptionError as error:
        yield Finding("FileExisting-nft", error.message, "apt-get install nftables")
        return
    if refusal:
        hint = "modprobe nft_nat nft_redir nft_fib_ipv4; nft needs JSON support, too"
        yield Finding("Nftables", f"nft refuses a table with NAT: {refusal}", hint)


def cgroups(scene: Scene) -> Iterator[Finding]:
    """Want a kubelet that takes this host's cgroups; ours is told to take version 1, too."""
    if kernel.cgroup_version(scene.reach.host.inside) != 1:
        return
    state = scene.units.get(kubelet.UNIT)
    if state and kubelet.UNIT in scene.foreign:
        settings = own_settings(scene, state.command)
        if settings and refuses_version_1(scene.reach.host.real(settings), state.command):
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


def own_settings(scene: Scene, command: tuple[str, ...]) -> Path | None:
    """Return the settings file that a unit names itself, where that isn't ours."""
    named = re.findall(r"--config[= ](\S+)", " ".join(command))
    own = Path(named[-1]) if named else None
    return None if own == scene.config.layout.kubelet.settings else own


def refuses_version_1(settings: Path, command: tuple[str, ...]) -> bool:
    """Tell whether a kubelet with these settings and flags refuses cgroup v1, as by default."""
    if "--fail-cgroupv1=false" in command:
        return False
    try:
        text = settings.read_text()
    except OSError:
        return False
    return not re.search(r'\bfailCgroupV1"?\s*:\s*false\b', text)
