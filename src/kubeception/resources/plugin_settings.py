"""What flannel tells the network's plugins, without which no pod gets an address."""

from dataclasses import dataclass

from kubeception.render import flannel
from kubeception.resources.rewritten import OfFlannel
from kubeception.session import Session


@dataclass(frozen=True)
class PluginSettings(OfFlannel):
    """The plugins' settings, and the range of this node's pods."""

    def __str__(self) -> str:
        return "what flannel tells the plugins"

    def drift(self, session: Session) -> str | None:
        """Say which file of it is gone."""
        files = (session.config.layout.cni.settings / flannel.PLUGIN, flannel.SUBNET)
        gone = [str(path) for path in files if session.host.content(path) is None]
        return f"is gone: {', '.join(gone)}" if gone else None
