"""What flannel tells the network's plugins, without which no pod gets an address."""

from dataclasses import dataclass

from kubeception.conditions import node_program
from kubeception.conditions.node_program import NodeProgram
from kubeception.render import flannel
from kubeception.resources.rewritten import Rewritten
from kubeception.session import Session


@dataclass(frozen=True)
class PluginSettings(Rewritten):
    """The plugins' settings, and the range of this node's pods."""

    program: NodeProgram = node_program.FLANNEL
    written_within_s = 20.0

    def __str__(self) -> str:
        return "what flannel tells the plugins"

    def drift(self, session: Session) -> str | None:
        """Say which file of it is gone."""
        files = (session.config.layout.cni.settings / flannel.PLUGIN, flannel.SUBNET)
        gone = [str(path) for path in files if session.host.content(path) is None]
        return f"is gone: {', '.join(gone)}" if gone else None
