"""Have every kubelet serve by the CA of their own, once that is trusted; then by that one alone."""

from collections.abc import Iterator

from kubeception.config import Config
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.phases import pki
from kubeception.pki import catalog
from kubeception.resources import Resource
from kubeception.resources.keypair import ByItsCa
from kubeception.resources.kubelet_serving import OneServingCa, PublishedServingCas

BY_ANOTHER = "cluster-signing-kubelet-serving-cert-file"


def plan(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want what this host's kubelet serves with, and what others know kubelets by, to be so."""
    at = config.layout.pki
    for entry in catalog.entries(config, facts.host.node, facts.host.address):
        if entry.at == at.kubelet_server:
            yield ByItsCa(pki.pair(config, facts.host, entry))
    yield OneServingCa(at.kubelet_serving_cas, facts.host.node)
    # Who has another CA sign it tells its readers himself.
    if BY_ANOTHER not in config.controller_manager.extra_args:
        yield published(config)
    yield from pki.copies(facts)


def published(config: Config) -> PublishedServingCas:
    """Return what others know kubelets by: workers ask for certificates anew once it is there."""
    return PublishedServingCas(config.layout.pki.kubelet_serving_cas)


SERVING = Phase("serving", "looking by which CA kubelets serve", plan)
