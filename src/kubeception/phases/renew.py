"""Issue leaves anew for the keys that are there, and start anew what reads them only at its start.

CAs are never renewed: everything hangs on them.
"""

from collections.abc import Iterator
from datetime import timedelta

from kubeception.config import Config
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.phases import pki
from kubeception.pki import catalog
from kubeception.render import controllers, join_service, kubelet
from kubeception.resources import Resource
from kubeception.resources.fresh import FreshContainer, FreshUnit
from kubeception.resources.keypair import InItsTime
from kubeception.resources.kubelet_client import KubeletClient, LiveKubeletClient

# What was asked for by name is issued anew unless that was done just now.
JUST_NOW = timedelta(minutes=1)
# With these of people's own, another CA signs what kubelets ask for.
SIGNED_BY_ANOTHER = frozenset(
    {"cluster-signing-cert-file", "cluster-signing-kubelet-client-cert-file"}
)


def renewed(asked: frozenset[str]) -> tuple[Phase, ...]:
    """Return what renews some leaves by name, or without names those that have little time left."""

    def plan(config: Config, facts: Facts) -> Iterator[Resource]:
        for entry, _ in catalog.leaves(config, facts.host.node, facts.host.address):
            if not asked:
                yield pki.pair(config, facts.host, entry, at_least=catalog.RENEWED_WITHIN)
            elif catalog.name(config.layout.pki, entry.at) in asked:
                yield pki.pair(config, facts.host, entry, at_least=entry.spec.lifetime - JUST_NOW)
        are_all = asked.issuperset(catalog.names(config))
        if catalog.KUBELETS_OWN in asked:
            yield kubelets_own(config, facts, at_least=catalog.LEAF_LIFETIME - JUST_NOW)
        elif are_all or not asked:
            yield kubelets_own(config, facts)
        yield from pki.copies(facts)

    return (Phase("renew", "renewing certificates", plan, module="pki"), REREAD)


def kubelets_own(
    config: Config, facts: Facts, *, at_least: timedelta = timedelta(0)
) -> KubeletClient:
    """Return the certificate that the kubelet got by itself, wanted good where there is one."""
    at = config.layout
    return KubeletClient(
        at.kubelet.renewed_client,
        at.kubelet.reissued_client,
        catalog.kubelet_client(facts.host.node),
        at.pki.ca,
        config.certificates.key_algorithm,
        at_least,
    )


def expired(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want no leaf whose time is over, or has not come: a control plane with one isn't reached."""
    for entry, _ in catalog.leaves(config, facts.host.node, facts.host.address):
        yield InItsTime(pki.pair(config, facts.host, entry))
    of_any_ca = not SIGNED_BY_ANOTHER.isdisjoint(config.controller_manager.extra_args)
    yield LiveKubeletClient(kubelets_own(config, facts), of_any_ca=of_any_ca)
    yield from pki.copies(facts)


def reread(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want whoever reads a certificate only at its start to have started after it."""
    at, settings = config.layout, facts.cluster.settings
    yield FreshUnit(kubelet.UNIT, (at.pki.kubelet_client.certificate, at.kubelet.reissued_client))
    name, labels = join_service.NAME, join_service.LABELS
    served = at.pki.join.certificate
    yield FreshContainer(name, labels, (served, join_service.folder(settings).copy(served)))
    if facts.needs_api:
        # It would put back the CA that it has read wherever another one is published.
        publisher, ca = controllers.CONTROLLER_MANAGER, at.pki.ca.certificate
        copy = controllers.folder(publisher, settings).copy(ca)
        yield FreshContainer(publisher.name, publisher.labels, (ca, copy))


EXPIRED = Phase("expired", "looking for expired certificates", expired, module="pki")
REREAD = Phase("reread", "looking for who has to read a certificate anew", reread, module="pki")
