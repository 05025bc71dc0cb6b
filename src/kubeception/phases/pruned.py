"""Remove objects that an earlier version or other settings made, and that are wanted no more."""

from collections.abc import Iterator
from dataclasses import replace

from kubeception.config import Config
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.phases import control_plane, serving
from kubeception.resources import Resource
from kubeception.resources.no_others import NoOthers


def plan(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want none but ours of today; by a person only: another host may run a later version."""
    if facts.is_attended:
        # An API server whose settings were put back is left alone, not unwanted.
        cluster = replace(facts.cluster, hosted=None)
        every = control_plane.plan(config, replace(facts, cluster=cluster))
        yield NoOthers(frozenset(map(str, [*every, serving.published(config)])))


PRUNED = Phase("pruned", "removing objects that are wanted no more", plan)
