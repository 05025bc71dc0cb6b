"""This host's own place in its pods' network: where it is tried what a pod would reach.

It is plugged in by the plugins that the container runtime calls for a pod, with the last address of
the node's range, if that is free: so other nodes know where to find something that answers.
"""

from collections.abc import Callable
from typing import TypeVar

from kubeception.conditions.network import place_in
from kubeception.config.model import Cni
from kubeception.errors import KubeceptionError
from kubeception.host.cni import Socket
from kubeception.host.own_network import OwnNetwork
from kubeception.render import flannel
from kubeception.resources import pod_range
from kubeception.resources.given_out import KEEPER
from kubeception.session import Session

One = TypeVar("One")


class PodPlace:
    """Is made when it is first asked for, and anew when it may be the place that is broken."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._network: OwnNetwork | None = None
        self._may_be_left = True

    @property
    def is_wanted(self) -> bool:
        """Whether there is to be one, and pods could start by now."""
        config = self._session.config
        may = config.node.probe_network and config.net.cni is Cni.FLANNEL
        return (
            may
            and self._socket.is_there(self._session.host)
            and pod_range.in_use(self._session) is not None
        )

    @property
    def is_there(self) -> bool:
        """Whether it is plugged in."""
        return self._network is not None

    def ask(self, question: Callable[[], One]) -> One:
        """Return what a question is answered there.

        Raises:
            KubeceptionError: there is no such place.
        """
        if self._network is None:
            raise KubeceptionError("this host has no place among its pods")
        return self._network.ask(question)

    def renew(self) -> None:
        """Plug it in, and what there was of it out.

        Raises:
            KubeceptionError: that fails, as it would for a pod.
        """
        self.end()
        pods = pod_range.in_use(self._session)
        if pods is None:
            raise KubeceptionError(f"{flannel.SUBNET}: flannel has no range of pods yet")
        network = OwnNetwork()
        self._may_be_left = True
        try:
            self._socket.plug(self._session.host, network.path, address=place_in(pods))
        except KubeceptionError:
            network.end()
            raise
        self._network = network

    def end(self) -> None:
        """Have no place, and nothing of one, nor of one that a keeper before had.

        Raises:
            KubeceptionError: the plugin can't free its address.
        """
        network, self._network = self._network, None
        try:
            if self._may_be_left and self._socket.is_there(self._session.host):
                self._socket.unplug(self._session.host, network.path if network else None)
                self._may_be_left = False
        finally:
            if network:
                network.end()

    @property
    def _socket(self) -> Socket:
        at = self._session.config.layout.cni
        return Socket(at.plugins, at.settings / flannel.PLUGIN, KEEPER)
