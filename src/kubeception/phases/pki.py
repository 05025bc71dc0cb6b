"""Make every certificate, key and kubeconfig that is missing; what is good stays."""

from collections.abc import Iterator
from pathlib import Path

from kubeception.config import Config
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.layout import Pair
from kubeception.pki import catalog
from kubeception.render import kubeconfig
from kubeception.resources import Resource
from kubeception.resources.file import File
from kubeception.resources.keypair import KeyPair, ServiceAccountKey

DOOR = "https://127.0.0.1:6443"
BOOTSTRAP = "https://127.0.0.1:6444"


def plan(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want the table of certificates, the ServiceAccount key, and the kubeconfigs."""
    at = config.layout
    algorithm = config.certificates.key_algorithm
    for entry in catalog.entries(config, facts.node, facts.address):
        # A distribution's etcd runs as a user of its own, who has to read its keys.
        is_etcds = entry.at in (at.pki.etcd_server, at.pki.etcd_peer)
        yield KeyPair(entry, algorithm, uid=facts.etcd_uid if is_etcds else None)
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
    yield access(at.kubernetes.kubelet, f"system:node:{facts.node}", at.pki.kubelet_client)
    # The original's two, for people.
    yield access(at.kubeconfig_bootstrap, admin, at.pki.admin, BOOTSTRAP)
    yield access(at.kubeconfig_cluster, admin, at.pki.admin)


PKI = Phase("pki", "making certificates and keys", plan, module="pki")
