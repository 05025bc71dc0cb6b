"""Have the cluster's settings in the cluster, and a copy of them on this host."""

from collections.abc import Iterator

from kubeception.config import Config, cluster
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.resources import Resource
from kubeception.resources.file import File
from kubeception.resources.shared_settings import SharedSettings


def plan(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want them in the cluster; the copy follows once they are applied.

    That this host has asked for them is known from now on, whatever becomes of them: who asks for
    what was before then asks for something else.
    """
    there = facts.cluster
    yield SharedSettings(there.settings, there.before)
    if there.copied:
        kept = cluster.Copy(there.copied, there.asked)
        yield File(config.layout.cluster, cluster.text(kept))


def copy(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want what the cluster goes by on this host as well, for the time when no API answers."""
    kept = cluster.Copy(facts.cluster.settings, facts.cluster.asked)
    yield File(config.layout.cluster, cluster.text(kept))


COPY = Phase("copy", "keeping a copy of the cluster's settings", copy)
SETTINGS = Phase("settings", "keeping the cluster's settings", plan, is_of_others=True)
