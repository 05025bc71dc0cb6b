"""Have the roles and bindings that Kubernetes makes for itself, whoever has taken some away.

Those that we make are applied with all else (`phases/control_plane.py`), and remembered here.
"""

from collections.abc import Iterator

from kubeception.config import Config
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.kept import default_roles
from kubeception.phases import bootstrap_plane, control_plane
from kubeception.resources import Resource
from kubeception.resources.default_roles import DefaultRoles, KnownRoles


def complete(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want them complete, unless an API server has just started, which has seen to that."""
    if not facts.needs_api:
        kubernetes = facts.cluster.settings.release.kubernetes
        yield DefaultRoles(bootstrap_plane.manifest(config, facts), kubernetes)


def known(_config: Config, facts: Facts) -> Iterator[Resource]:
    """Want it remembered what they are, and ours, once an API server of this release is ready."""
    ours = default_roles.of_ours(control_plane.everything(facts))
    yield KnownRoles(facts.cluster.settings.release.kubernetes, ours)


COMPLETE_ROLES = Phase("complete-roles", "looking for Kubernetes' own roles", complete)
KNOWN_ROLES = Phase("known-roles", "remembering Kubernetes' own roles", known)
