"""Run the kubelet; where the hosted API server can't carry the cluster, with the bootstrap one.

The kubelet never runs without a kubeconfig: one that has none kills the pods that it finds.
"""

from collections.abc import Iterator

from kubeception import conditions
from kubeception.conditions import Condition
from kubeception.config import Config
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.render import apiserver, kubelet, objects, revision
from kubeception.resources import Resource
from kubeception.resources.anteroom import Anteroom
from kubeception.resources.file import File
from kubeception.resources.unit import Unit


def plan(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want its settings, the bootstrap API server's manifest while needed, and the unit running."""
    at = config.layout
    yield File(at.kubelet.settings, kubelet.settings(config, facts))
    yield File(at.kubelet.environment, kubelet.environment(config, facts))
    if kubelet.UNIT not in facts.foreign_units:
        yield File(at.units / kubelet.UNIT, kubelet.unit(config))
    if facts.needs_api:
        manifest = objects.document(revision.bootstrap_pod(config, facts))
        yield File(at.kubelet.manifests / f"{apiserver.BOOTSTRAP_NAME}.yaml", manifest, mode=0o600)
    if facts.needs_api and not facts.door:
        # The kubelet is there before its API; so may pods be that came with it.
        yield Anteroom("127.0.0.1", is_open=True)
        yield Anteroom(facts.address, is_open=True)
    started_after = (at.kubelet.settings, at.kubelet.environment, at.kubernetes.kubelet)
    yield Unit(kubelet.UNIT, started_after=started_after)


def until(_config: Config, _facts: Facts) -> Iterator[Condition]:
    """End when it runs."""
    yield conditions.unit_active(kubelet.UNIT)


KUBELET = Phase("kubelet", "configuring local kubelet", plan, until=until)
