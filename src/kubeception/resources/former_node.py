"""The Node of a host that has taken another name: nobody will ever tell anything for it again."""

from dataclasses import dataclass
from pathlib import Path

from kubeception import identity
from kubeception.facts import Identity
from kubeception.host import files, links
from kubeception.reach import Reach
from kubeception.render import flannel


@dataclass(frozen=True)
class NoFormerNode:
    """The Node by the name that this host gave up is wanted gone, with the pods bound to it.

    The record knows the name until that is done: later another host may have it.
    """

    name: str

    def __str__(self) -> str:
        return f"Node {self.name}"

    def drift(self, reach: Reach) -> str | None:
        """Say that it was this host's, until it is gone."""
        known = identity.read(reach.layout.member) or Identity()
        return "was this host's" if known.former == self.name else None

    def apply(self, reach: Reach) -> None:
        """Delete it and its pods, which no kubelet would end, and forget the name."""
        reach.api.delete("Node", self.name)
        for pod in reach.api.list("Pod", fields={"spec.nodeName": self.name}):
            at = pod["metadata"]
            reach.api.delete("Pod", at["name"], namespace=at["namespace"], grace_s=0)
        known = identity.read(reach.layout.member) or Identity()
        if known.former == self.name:
            kept = identity.text(identity.renamed(known))
            files.write(reach.layout.member, kept, mode=0o600)


@dataclass(frozen=True)
class NoFormerNetwork:
    """The pods' network of that Node is wanted gone before a kubelet runs under another name.

    It has the former one's range: no pod may start in it. It comes back with the new node's own
    flannel, and until then the runtime says that there is none.
    """

    name: str

    def __str__(self) -> str:
        return f"pod network of Node {self.name}"

    def drift(self, reach: Reach) -> str | None:
        """Say that it is there, as long as the record knows the name."""
        known = identity.read(reach.layout.member) or Identity()
        is_there = self._settings(reach).exists() or links.has_link(flannel.BRIDGE)
        return "is there" if known.former == self.name and is_there else None

    def apply(self, reach: Reach) -> None:
        """Remove what a runtime and its plugins know of it, and the bridge."""
        files.remove(self._settings(reach))
        files.remove(reach.host.at(flannel.RUN / "subnet.env"))
        if links.has_link(flannel.BRIDGE):
            links.remove_link(flannel.BRIDGE)

    def _settings(self, reach: Reach) -> Path:
        return reach.layout.cni.settings / flannel.PLUGIN
