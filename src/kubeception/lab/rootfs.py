"""What makes the shared Debian tree one particular host, as path → content.

A file's content is its text; None stands for a mask, a Path for the target of a symlink.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from uuid import uuid4

from kubeception.lab.paths import GATEWAY, PREFIX, HostSpec

Content = str | Path | None

_UNITS = Path("/lib/systemd/system")

# Of no use on a lab host, slow, or meant for the machine below it.
_MASKED_UNITS = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@.service",
    "systemd-pstore.service",
)
# These set the machine's kernel, not the host's.
_MASKED_SETTINGS = ("50-pid-max.conf", "99-protect-links.conf")

# nspawn hands the host its own cgroups, but mounted read-only where they are of version 1.
_CGROUPS = """\
[Unit]
Description=Make this host's own cgroups writable
DefaultDependencies=no
ConditionControlGroupController=v1
Before=sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'for c in /sys/fs/cgroup/*/; do mount -o remount,bind,rw "$c"; done'
"""

# A host sees all devices of the machine: asking each for an event is slow and none of its business.
_COLDPLUG = """\
[Service]
ExecStart=
ExecStart=udevadm trigger --type=devices --action=add --subsystem-match=net
"""

# Routes and rules of a CNI plugin or of kube-proxy are not networkd's to remove.
_NETWORKD = """\
[Network]
ManageForeignRoutes=no
ManageForeignRoutingPolicyRules=no
"""

_WAIT_ONLINE = """\
[Service]
ExecStart=
ExecStart=/lib/systemd/systemd-networkd-wait-online --interface=host0
"""

# Service IPs need a default route, though nothing answers behind it.
_HOST0 = f"""\
[Match]
Name=host0

[Network]
Address={{address}}/{PREFIX}
Gateway={GATEWAY}
LinkLocalAddressing=no
"""

_JOURNAL = """\
[Journal]
Storage=persistent
SystemMaxUse=128M
RateLimitIntervalSec=0
"""


def tree(spec: HostSpec, *, machine_id: str) -> Mapping[str, Content]:
    """Return the files of a host, by their path on it without the leading slash."""
    system = "etc/systemd/system"
    return {
        "etc/hostname": f"{spec.name}\n",
        "etc/machine-id": f"{machine_id}\n",
        # Refused at once, since nothing listens there; an empty file would stop CoreDNS.
        "etc/resolv.conf": f"nameserver {GATEWAY}\n",
        "etc/sysctl.d/kubeception-lab.conf": "net.ipv4.ip_forward = 1\n",
        **{f"etc/sysctl.d/{name}": None for name in _MASKED_SETTINGS},
        "etc/systemd/journald.conf.d/kubeception-lab.conf": _JOURNAL,
        "etc/systemd/network/10-host0.network": _HOST0.format(address=spec.address),
        "etc/systemd/networkd.conf.d/kubeception-lab.conf": _NETWORKD,
        f"{system}/kubeception-lab-cgroups.service": _CGROUPS,
        f"{system}/sysinit.target.wants/kubeception-lab-cgroups.service": Path(
            "/etc/systemd/system/kubeception-lab-cgroups.service"
        ),
        f"{system}/systemd-udev-trigger.service.d/kubeception-lab.conf": _COLDPLUG,
        f"{system}/systemd-networkd-wait-online.service.d/kubeception-lab.conf": _WAIT_ONLINE,
        f"{system}/multi-user.target.wants/systemd-networkd.service": (
            _UNITS / "systemd-networkd.service"
        ),
        f"{system}/multi-user.target.wants/systemd-networkd-wait-online.service": (
            _UNITS / "systemd-networkd-wait-online.service"
        ),
        **{f"{system}/{name}": None for name in _MASKED_UNITS},
    }


def hosts_file(specs: Iterable[HostSpec]) -> str:
    """Return /etc/hosts with the name of every host of the lab."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    lines += [f"{spec.address} {spec.name}" for spec in specs]
    return "\n".join(lines) + "\n"


def rootfs(root: Path, spec: HostSpec) -> None:
    """Write a new host's files below a folder, under a machine id of its own."""
    for name, content in tree(spec, machine_id=uuid4().hex).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.write_text(content)
        else:
            path.symlink_to(content or "/dev/null")
