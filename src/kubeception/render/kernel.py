"""What the kernel has to allow, as files of sysctl.d(5) and modules-load.d(5)."""

from kubeception.layout import OUR_MARK

SYSCTL_UNIT = "systemd-sysctl.service"
MODULES_UNIT = "systemd-modules-load.service"


def sysctl() -> str:
    """Return the settings: forward packets, and let Services see those between local pods."""
    wanted = ("net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables")
    return OUR_MARK + "".join(f"{name} = 1\n" for name in wanted)


def modules() -> str:
    """Return the module that the second setting needs, where the kernel has not built it in."""
    return f"{OUR_MARK}br_netfilter\n"
