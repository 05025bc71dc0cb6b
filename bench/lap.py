"""One run of a contestant, and the line where its clock stops: the same for all."""

from dataclasses import dataclass

from tests.lab import cluster

from bench.cpu import Spent
from kubeception.lab import Host

_PATIENCE = "--timeout=110s"


@dataclass(frozen=True)
class Lap:
    """Seconds from the first command until all was ready, and those of each part.

    `again` is a second run of the same command, where it can be run twice; `spent` is the CPU time
    of the host from that command until 90 s later, where it was measured.
    """

    seconds: float
    parts: dict[str, float]
    again: cluster.Run | None = None
    spent: Spent | None = None


def until_ready(host: Host, *, pods: int) -> None:
    """Wait until the node is Ready and there are so many pods, every one ready.

    kubectl waits by a watch: asking again and again would cost the host time of its own.
    """
    ready = "--for=condition=Ready"
    cluster.kubectl(host, "wait", ready, "nodes", "--all", _PATIENCE)
    while True:
        cluster.kubectl(host, "wait", ready, "pods", "--all", "--all-namespaces", _PATIENCE)
        found = cluster.pods(host)
        if len(found) >= pods and all(map(cluster.is_ready, found)):
            return
