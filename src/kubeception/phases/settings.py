"""Have the cluster's settings in the cluster, and a copy of them on this host."""

from collections.abc import Iterator

from kubeception.config import Config, cluster
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.resources import Resource
from kubeception.resources.file import File
from kubeception.resources.shared_settings import SharedSettings


def plan(_config: Config, facts: Facts) -> Iterator[Resource]:
    """Want them in the cluster; the copy follows once they are applied."""
    yield SharedSettings(facts.cluster.settings, facts.cluster.before)


def copy(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want what the cluster goes by on this host as well, for the time when no API answers."""
    kept = cluster.Copy(facts.cluster.settings, facts.cluster.asked)
    yield File(config.layout.cluster, cluster.text(kept))


COPY = Phase("copy", "keeping a copy of the cluster's settings", copy)
SETTINGS = Phase("settings", "keeping the cluster's settings", plan, is_of_others=True)
