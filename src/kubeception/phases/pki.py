"""Make every certificate, key and kubeconfig that is missing; what is good stays.

A leaf that has little time left is issued anew. Each control-plane pod gets copies of its files.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from kubeception.config import Config, names
from kubeception.endpoints import BOOTSTRAP_PORT, LOOPBACK, url
from kubeception.engine import Phase
from kubeception.facts import Facts, HostFacts
from kubeception.layout import Pair
from kubeception.pki import catalog
from kubeception.pki.catalog import Entry
from kubeception.render import (
    cluster_controller,
    controllers,
    join_service,
    kubeconfig,
    revision,
)
from kubeception.resources import Resource
from kubeception.resources.file import File
from kubeception.resources.keypair import KeyPair, ServiceAccountKey
from kubeception.resources.kubelet_serving import ServingCas
from kubeception.resources.pod_folder import PodFolder

DOOR = url(LOOPBACK)
BOOTSTRAP = url(LOOPBACK, BOOTSTRAP_PORT)


def plan(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want the table of certificates, the ServiceAccount key, the kubeconfigs, pods' copies."""
    at = config.layout
    algorithm = config.certificates.key_algorithm
    for entry in catalog.entries(config, facts.host.node, facts.host.address):
        soon = timedelta(0) if entry.spec.is_ca else catalog.RENEWED_WITHIN
        wanted = pair(config, facts.host, entry, at_least=soon)
        if entry.at == at.pki.kubelet_server:
            # An earlier version's stays until the API server knows kubelets by their own CA: what
            # has signed it is trusted, too.
            yield ServingCas(
                at.pki.kubelet_serving_cas, at.pki.kubelet_serving_ca, at.pki.ca, entry.at
            )
            wanted = replace(wanted, also_by=at.pki.ca)
        yield wanted
    yield ServiceAccountKey(at.pki.service_account_key, at.pki.service_account_public, algorithm)

    def access(path: Path, user: str, client: Pair, server: str = DOOR) -> File:
        document = kubeconfig.document(user=user, server=server, ca=at.pki.ca, client=client)
        return File(path, document, mode=0o600)

    admin = "kubernetes-admin"
    yield access(at.kubernetes.admin, admin, at.pki.admin)
    yield access(
        at.kubernetes.controller_manager,
        "system:kube-controller-manager",
        at.pki.controller_manager,
    )
    yield access(at.kubernetes.scheduler, "system:kube-scheduler", at.pki.scheduler)
    yield access(at.kubernetes.kubelet, names.of_kubelet(facts.host.node), at.pki.kubelet_client)
    # The original's two, for people.
    yield access(at.kubeconfig_bootstrap, admin, at.pki.admin, BOOTSTRAP)
    yield access(at.kubeconfig_cluster, admin, at.pki.admin)
    yield from copies(facts)


def copies(facts: Facts) -> Iterator[PodFolder]:
    """Want every control-plane pod's folder to have its files as they are on the host.

    Whoever changes one of these files wants it afterwards.
    """
    settings = facts.cluster.settings
    yield PodFolder(revision.folder(facts))
    for controller in controllers.BOTH:
        yield PodFolder(controllers.folder(controller, settings))
    yield PodFolder(join_service.folder(settings))
    yield PodFolder(cluster_controller.folder(settings))


def pair(
    config: Config, host: HostFacts, entry: Entry, *, at_least: timedelta = timedelta(0)
) -> KeyPair:
    """Return a row of the table as it is wanted on this host."""
    at = config.layout.pki
    # A distribution's etcd runs as a user of its own, who has to read its keys.
    uid = host.etcd_uid if entry.at in (at.etcd_server, at.etcd_peer) else None
    return KeyPair(entry, config.certificates.key_algorithm, uid, at_least)


PKI = Phase("pki", "making certificates and keys", plan, module="pki")
