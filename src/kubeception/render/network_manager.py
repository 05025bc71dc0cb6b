"""What NetworkManager is to leave alone, as a file of NetworkManager.conf(5).

A link that somebody else has made it takes for its own when networking is switched off: it removes
the addresses of flannel's and of the pods' bridge, and gives none back.
"""

from pathlib import Path

from kubeception.layout import OUR_MARK
from kubeception.render import flannel

UNIT = "NetworkManager.service"
RELOAD = ("systemctl", "reload", UNIT)
SETTINGS = Path("/etc/NetworkManager")
# As the bridge plugin names them; the file knows no ranges.
_OF_PODS = "veth" + "?" * 8


def unmanaged() -> str:
    """Return the settings; they add to what others say, and hold for links that are there."""
    names = (*flannel.LINKS, _OF_PODS)
    devices = ";".join(f"interface-name:{name}" for name in names)
    return f"{OUR_MARK}[keyfile]\nunmanaged-devices+={devices}\n"
