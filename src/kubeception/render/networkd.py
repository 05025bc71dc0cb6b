"""What systemd-networkd is to leave alone, as a file of systemd.network(5).

A file of the host's that matches every link takes addresses and routes from flannel's, and pods'
links out of their bridge, each time that it is applied.
"""

from kubeception.layout import OUR_MARK
from kubeception.render import flannel

UNIT = "systemd-networkd.service"
RELOAD = ("networkctl", "reload")
# What it says of each link, in a file by the link's number.
STATES = "run/systemd/netif/links"
# As the bridge plugin names them.
_OF_PODS = "veth" + "[0-9a-f]" * 8


def unmanaged() -> str:
    """Return the settings."""
    names = " ".join((*flannel.LINKS, _OF_PODS))
    return f"{OUR_MARK}[Match]\nName={names}\n\n[Link]\nUnmanaged=yes\n"
