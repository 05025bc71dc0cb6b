"""The Node of a host that has taken another name: nobody will ever tell anything for it again."""

from dataclasses import dataclass

from kubeception import identity
from kubeception.config.model import Cni
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
        """Delete it and its pods, which no kubelet would end, and forget the name.

        The pods' network has the former one's range: what says so goes before any pod can start
        in it, and comes back with the new node's own flannel.
        """
        reach.api.delete("Node", self.name)
        for pod in reach.api.list("Pod", fields={"spec.nodeName": self.name}):
            at = pod["metadata"]
            reach.api.delete("Pod", at["name"], namespace=at["namespace"], grace_s=0)
        if reach.config.net.cni is Cni.FLANNEL:
            files.remove(reach.layout.cni.settings / flannel.PLUGIN)
            files.remove(reach.host.at(flannel.RUN / "subnet.env"))
            if links.has_link(flannel.BRIDGE):
                links.remove_link(flannel.BRIDGE)
        known = identity.read(reach.layout.member) or Identity()
        if known.former == self.name:
            kept = identity.text(identity.renamed(known))
            files.write(reach.layout.member, kept, mode=0o600)
