"""The Node of a host that has taken another name: nobody will ever tell anything for it again."""

from dataclasses import dataclass

from kubeception.facts import Identity
from kubeception.host import files
from kubeception.kept import identity
from kubeception.render import join_records
from kubeception.resources import pod_range
from kubeception.session import Session


@dataclass(frozen=True)
class NoFormerNode:
    """The Node by the name that this host gave up is wanted gone, with the pods bound to it.

    The record knows the name until that is done: later another host may have it.
    """

    name: str

    def __str__(self) -> str:
        return f"Node {self.name}"

    def drift(self, session: Session) -> str | None:
        """Say that it was this host's, until it is gone."""
        known = identity.read(session.layout.member) or Identity()
        return "was this host's" if known.former == self.name else None

    def apply(self, session: Session) -> None:
        """Delete it, its record and its pods, which no kubelet would end, and forget the name."""
        session.api.delete("Node", self.name)
        record = join_records.node_name(self.name)
        session.api.delete("ConfigMap", record, namespace=join_records.RECORDS)
        for pod in session.api.list("Pod", fields={"spec.nodeName": self.name}):
            at = pod["metadata"]
            session.api.delete("Pod", at["name"], namespace=at["namespace"], grace_s=0)
        known = identity.read(session.layout.member) or Identity()
        if known.former == self.name:
            kept = identity.text(identity.renamed(known))
            files.write(session.layout.member, kept, mode=0o600)


@dataclass(frozen=True)
class NoFormerNetwork:
    """The pods' network of that Node is wanted gone before a kubelet runs under another name.

    It has the former one's range: no pod may start in it. It comes back with the new node's own
    flannel, and until then the runtime says that there is none.
    """

    name: str

    def __str__(self) -> str:
        return f"pod network of Node {self.name}"

    def drift(self, session: Session) -> str | None:
        """Say that it is there, as long as the record knows the name."""
        known = identity.read(session.layout.member) or Identity()
        is_left = known.former == self.name and pod_range.is_there(session)
        return "is there" if is_left else None

    def apply(self, session: Session) -> None:
        """Remove it."""
        pod_range.forget(session)
