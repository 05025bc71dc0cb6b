"""Put a revision of the hosted API server that does not serve back to the last one that did."""

from collections.abc import Iterator

from kubeception.config import Config
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.render import apiserver, revision
from kubeception.resources import Resource
from kubeception.resources.revision import Revision


def plan(_config: Config, facts: Facts) -> Iterator[Resource]:
    """Want the proven revision, on a port that nobody has."""
    hosted, proven = facts.cluster.hosted, facts.host.proven
    if hosted is None or proven is None or hosted.serves or hosted.revision == proven.revision:
        return
    if hosted.serves_elsewhere:  # then the fault is this host's
        return
    template = dict(proven.template)
    if facts.host.door == revision.port_of(template):
        template = revision.at_port(template, apiserver.free_port(hosted.port, hosted.taken))
    yield Revision(template, proven.manager, "it did not serve", over=hosted.revision)


PROVEN_REVISION = Phase("revision", "putting the last proven apiserver back", plan)
