"""What flannel tells the network's plugins, without which no pod gets an address."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kubeception.host import cni, files
from kubeception.render import flannel
from kubeception.resources import pod_range
from kubeception.resources.rewritten import OfFlannel
from kubeception.session import Session

# What flannel says in its file, and its plugin does nothing without
# (https://www.cni.dev/plugins/current/meta/flannel/).
_SAID = ("FLANNEL_NETWORK", "FLANNEL_SUBNET", "FLANNEL_MTU", "FLANNEL_IPMASQ")


@dataclass(frozen=True)
class PluginSettings(OfFlannel):
    """The plugins' settings, and the range of this node's pods."""

    def __str__(self) -> str:
        return "what flannel tells the plugins"

    def drift(self, session: Session) -> str | None:
        """Say which file of it is gone, or says nothing that a plugin could go by."""
        found = (session.config.layout.cni.settings / flannel.PLUGIN, flannel.SUBNET)
        gone = [str(path) for path in found if session.host.content(path) is None]
        torn = list(map(str, _torn(session)))
        parts = [f"is gone: {', '.join(gone)}"] if gone else []
        parts += [f"is not whole: {', '.join(torn)}"] if torn else []
        return "; ".join(parts) or None

    def apply(self, session: Session) -> None:
        """Have flannel write them; its pod takes a file that is there for whole."""
        for path in _torn(session):
            files.remove(session.host.real(path))
        super().apply(session)


def _torn(session: Session) -> Iterator[Path]:
    """Yield the files that are there, and that no plugin could go by."""
    settings = session.config.layout.cni.settings / flannel.PLUGIN
    told = session.host.content(settings)
    if told is not None and not cni.is_whole(told):
        yield settings
    said = session.host.content(flannel.SUBNET)
    if said is None:
        return
    words = dict(line.partition("=")[::2] for line in said.decode(errors="replace").splitlines())
    if pod_range.in_use(session) is None or not all(words.get(name) for name in _SAID):
        yield flannel.SUBNET
