"""By which CAs kubelets' serving certificates are trusted: one of their own, as soon as can be.

Before there was one the cluster's CA signed them. It is trusted as well while any kubelet serves by
it, or can't be looked at.
"""

from concurrent.futures import ThreadPoolExecutor

from kubeception.endpoints import Address
from kubeception.kube import kubelet
from kubeception.pki import issue
from kubeception.render import join_records
from kubeception.session import Session

_AT_ONCE = 32


def trusted(session: Session) -> list[bytes]:
    """Return the certificates (PEM) of the CAs that this host trusts for it, its own CA first."""
    found = session.host.content(session.config.layout.pki.kubelet_serving_cas)
    return issue.certificates(found or b"")


def late(session: Session, *, but: str) -> list[str]:
    """Return the nodes, `but` one, whose kubelets show no certificate of their own CA yet.

    Which nodes there are, and where, their records say: what a Node says, its host has written.

    Raises:
        KubeceptionError: the API can't be asked for them.
    """
    own = trusted(session)[:1]
    labels = {join_records.KIND_LABEL: join_records.NODE}
    found = session.api.list("ConfigMap", namespace=join_records.RECORDS, labels=labels)
    records = join_records.nodes(found)
    there = {it.node: it.addresses for it in records if not it.removed and it.node != but}
    asked = [(node, at) for node, addresses in there.items() for at in addresses]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        shown = list(pool.map(lambda pair: _is_by(pair[1], own), asked))
    moved = {node for (node, _), is_own in zip(asked, shown, strict=True) if is_own}
    return sorted({*there} - moved)


def may_be_one(session: Session, node: str) -> str | None:
    """Say that no kubelet needs the cluster's CA any more, where it is still trusted; or None.

    What the kubelet of this host's own node serves with, this host sees to itself.

    Raises:
        KubeceptionError: the API can't be asked.
    """
    is_moving = len(trusted(session)) > 1
    return (
        "every kubelet serves by its own CA" if is_moving and not late(session, but=node) else None
    )


def _is_by(address: Address, own: list[bytes]) -> bool:
    shown = kubelet.serving_certificate(address)
    return shown is not None and any(issue.is_signed_by(shown, ca) for ca in own)
