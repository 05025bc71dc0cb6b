"""What the network of a host in a cluster lives on, and others may take away at any moment."""

from collections.abc import Iterable

from kubeception.config.model import Cni
from kubeception.gather import chosen_address
from kubeception.host import links
from kubeception.resources import Resource, node_rules
from kubeception.resources.door import WholeDoor
from kubeception.resources.given_out import GivenOut
from kubeception.resources.kernel_value import VALUES, Forwarding
from kubeception.resources.plugin_settings import PluginSettings
from kubeception.resources.pod_bridge import PodBridge
from kubeception.resources.pod_range import PodRange
from kubeception.resources.pod_routes import PodRoutes
from kubeception.session import Session


def wanted(session: Session, pods: str | None = None) -> tuple[Resource, ...]:
    """Return the kernel's settings, the pods' network, the rules of the door and the programs.

    And the range that the Node says to have for its `pods`, where that is known.
    """
    found: list[Resource] = [*VALUES]
    if session.config.net.cni is Cni.FLANNEL:
        found += [PodRange(pods)] if pods else []
        found += [PluginSettings(), *((PodRoutes(), PodBridge()) if links.has_iproute() else ())]
    if address := chosen_address(session):
        found.append(Forwarding(address))
        if not session.layout.membership.exists():
            found.append(WholeDoor(address, session.config.net.apiserver_ip))
    found += node_rules.of_this_host(session)
    # What is left of pods keeps none from the network that has an address.
    return (*found, GivenOut()) if session.config.net.cni is Cni.FLANNEL else tuple(found)


def look(session: Session, pods: str | None = None) -> list[tuple[Resource, str | None]]:
    """Return all of it, each with how it is gone or other than it has to be, or None."""
    return [(one, one.drift(session)) for one in wanted(session, pods)]


def drifted(found: Iterable[tuple[Resource, str | None]]) -> list[tuple[Resource, str]]:
    """Return what of it is not as it has to be."""
    return [(one, why) for one, why in found if why]


def told(found: Iterable[tuple[Resource, str]]) -> str | None:
    """Say it in a sentence."""
    return "; ".join(f"{one} {why}" for one, why in found) or None


def lost(session: Session) -> str | None:
    """Say what of it is gone or other than it has to be."""
    return told(drifted(look(session)))
