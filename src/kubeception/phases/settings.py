"""Have the cluster's settings in the cluster, and a copy of them on this host."""

from collections.abc import Iterator

from kubeception.config import Config, cluster
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.resources import Resource
from kubeception.resources.file import File
from kubeception.resources.shared_settings import SharedSettings


def plan(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want both; the copy last, for it says what this host has asked for by then."""
    of = facts.cluster
    yield SharedSettings(of.settings, of.before)
    yield File(config.layout.cluster, cluster.text(cluster.Copy(of.settings, of.asked)))


SETTINGS = Phase("settings", "keeping the cluster's settings", plan)
