"""The addresses of this node's pods: those that its Node has, which may be others all at once.

A Node that was deleted and is made again gets another range, and the one of before may go to
another node. flannel asks for it only when it starts, and a bridge keeps its address for ever.
"""

import contextlib
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

from kubeception.conditions import Condition, wait_for
from kubeception.host import files, links, network, pods
from kubeception.render import flannel
from kubeception.resources.node_rules import FLANNEL
from kubeception.session import Session

_SUBNET = "FLANNEL_SUBNET="
# A range has room for its bridge and for a pod; an address whose end is torn off is none.
_LONGEST = 30


@dataclass(frozen=True)
class PodRange:
    """The range by which flannel goes on this host, wanted to be the one that the Node has."""

    wanted: str

    def __str__(self) -> str:
        return "the range of this node's pods"

    def drift(self, session: Session) -> str | None:
        """Say which one it is instead, or who still has an address of another one.

        None at all is no other one, since flannel may be about to ask.
        """
        found, own = in_use(session), IPv4Network(self.wanted)
        if found is None:
            return None
        if found != own:
            return f"is {own}, and flannel goes by {found}"
        if bridge := _bridge_beside(own):
            return f"is {own}, and {flannel.BRIDGE} has {bridge}"
        former = _given_out_beside(session, own)
        return f"is {own}, and {former[0].name} is still given out" if former else None

    def apply(self, session: Session) -> None:
        """Have flannel ask anew, and pods that have an address of before start anew."""
        own = IPv4Network(self.wanted)
        if in_use(session) != own:
            forget(session)
            FLANNEL.apply(session)
            wait_for(_COMES_BACK, session, lambda _: None)
        elif _bridge_beside(own):
            links.remove_link(flannel.BRIDGE)  # with the next pod it comes back
        host, socket = session.host, session.config.layout.containerd.socket
        for one in pods.sandboxes(host, socket):
            if _is_beside(pods.address(host, socket, one), own):
                pods.stop(host, socket, one)
        for path in _given_out_beside(session, own):
            files.remove(path)


def in_use(session: Session) -> IPv4Network | None:
    """Return the range of this node's pods, as flannel has told the plugins.

    None for none yet, or where somebody has torn what it has told.
    """
    said = session.host.content(flannel.SUBNET) or b""
    for line in said.decode(errors="replace").splitlines():
        if line.startswith(_SUBNET):
            with contextlib.suppress(ValueError):
                found = IPv4Interface(line.removeprefix(_SUBNET)).network
                return found if found.prefixlen <= _LONGEST else None
    return None


def is_there(session: Session) -> bool:
    """Tell whether the runtime or its plugins have any network of pods."""
    settings = session.layout.cni.settings / flannel.PLUGIN
    return settings.exists() or links.has_link(flannel.BRIDGE)


def forget(session: Session) -> None:
    """Remove what the runtime and its plugins know of the pods' network, and the bridge.

    The next flannel that starts brings it back; until then the runtime says that there is none.
    """
    files.remove(session.layout.cni.settings / flannel.PLUGIN)
    files.remove(session.host.at(flannel.SUBNET))
    if links.has_link(flannel.BRIDGE):
        links.remove_link(flannel.BRIDGE)


def _bridge_beside(own: IPv4Network) -> str | None:
    """Return the address of the pods' bridge where that is of another range."""
    found = (str(at) for link, at in network.addresses() if link == flannel.BRIDGE)
    return next((address for address in found if _is_beside(address, own)), None)


def _given_out_beside(session: Session, own: IPv4Network) -> list[Path]:
    """Return where the plugin has noted the addresses that it gave out, those that aren't ours."""
    noted = session.host.at(flannel.GIVEN_OUT).glob("*.*.*.*")
    return [path for path in noted if _is_beside(path.name, own)]


def _is_beside(address: str, own: IPv4Network) -> bool:
    """Tell whether something is an address, and of another range."""
    try:
        return IPv4Address(address) not in own
    except ValueError:
        return False


# The runtime ends no pod whose network it does not know.
_COMES_BACK = Condition(
    "flannel to start anew",
    lambda session: None if is_there(session) else "it has told the runtime nothing",
    timeout_s=60.0,
)
