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
    yield SharedSettings(facts.cluster.settings, facts.cluster.before)
    yield from copy(config, facts)


def copy(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want what the cluster goes by on this host as well, for the time when no API answers."""
    kept = cluster.Copy(facts.cluster.settings, facts.cluster.asked)
    yield File(config.layout.cluster, cluster.text(kept))


COPY = Phase("settings", "keeping a copy of the cluster's settings", copy)
SETTINGS = Phase("settings", "keeping the cluster's settings", plan)
