"""Make this host a worker: a credential by joining, and the kubelet that uses it."""

from collections.abc import Iterator

from kubeception import conditions
from kubeception.conditions import Condition
from kubeception.config import Config
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.layout import Pair
from kubeception.phases.kubelet import running
from kubeception.pki import request
from kubeception.render import kubeconfig, kubelet
from kubeception.resources import Resource
from kubeception.resources.clear_networks import ClearNetworks
from kubeception.resources.credential import KubeletCredential, RequestCertificate
from kubeception.resources.file import File
from kubeception.resources.fresh import FreshUnit
from kubeception.resources.serving_certificate import ServingCertificate


def credential(ask: RequestCertificate | None) -> Phase:
    """Return the phase that joins, by asking the cluster where there is no credential yet."""

    def plan(config: Config, facts: Facts) -> Iterator[Resource]:
        algorithm = config.certificates.key_algorithm
        yield KubeletCredential(facts.host.node, facts.host.address, algorithm, ask)

    return Phase("credential", "joining the cluster", plan, module="join")


def worker(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want the kubelet's kubeconfig and settings, as the cluster said, and the unit running."""
    member = facts.host.membership
    if member is None:
        return
    at = config.layout
    yield ClearNetworks(config.net)
    # One file for both, so that the kubelet finds the certificates that it gets itself.
    client = Pair(at.kubelet.renewed_client, at.kubelet.renewed_client)
    access = kubeconfig.document(
        user=request.user(facts.host.node), server=member.apiserver, ca=at.pki.ca, client=client
    )
    yield File(at.kubernetes.kubelet, access, mode=0o600)
    yield File(at.kubelet.settings, kubelet.worker_settings(config, facts.host))
    yield File(at.kubelet.environment, kubelet.environment(config, facts.host))
    if kubelet.UNIT not in facts.host.foreign_units:
        yield File(at.units / kubelet.UNIT, kubelet.unit(config))
    yield running(config, at.membership)  # written anew with each join, as the credential is


def serving(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want what the kubelet serves with to be by the CA that is published for it."""
    if facts.host.membership is None:
        return
    yield ServingCertificate(facts.host.node, facts.host.address, config.certificates.key_algorithm)
    yield FreshUnit(kubelet.UNIT, (config.layout.kubelet.reissued_server,))


def kubelet_runs(_config: Config, _facts: Facts) -> Iterator[Condition]:
    """End when the kubelet runs."""
    yield conditions.unit_active(kubelet.UNIT)


WORKER_KUBELET = Phase("kubelet", "configuring local kubelet", worker, until=kubelet_runs)
WORKER_SERVING = Phase("serving", "looking by which CA the kubelet serves", serving)
