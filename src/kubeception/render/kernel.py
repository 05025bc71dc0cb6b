"""What the kernel has to allow, as files of sysctl.d(5) and modules-load.d(5)."""

from kubeception.layout import OUR_MARK

SYSCTL_UNIT = "systemd-sysctl.service"
MODULES_UNIT = "systemd-modules-load.service"
ON = "1"
# Forward packets, and let Services see those between local pods. By slashes, as below /proc/sys.
FORWARD = "net/ipv4/ip_forward"
KEYS = (FORWARD, "net/bridge/bridge-nf-call-iptables")


def sysctl() -> str:
    """Return the settings."""
    return OUR_MARK + "".join(f"{key.replace('/', '.')} = {ON}\n" for key in KEYS)


def modules() -> str:
    """Return the module that the second setting needs, where the kernel has not built it in."""
    return f"{OUR_MARK}br_netfilter\n"
