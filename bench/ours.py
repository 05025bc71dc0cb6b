"""kubeception on a lab host: one command, on a host where nothing runs yet."""

import time

from tests.lab import cluster

from bench.lap import Lap, until_ready
from kubeception.lab import Host

# The API server, two controller-managers, two schedulers, kube-proxy, flannel, two CoreDNS, the
# join service and the controller.
_PODS = 11


def lap(host: Host) -> Lap:
    """Run `kubeception bootstrap`; it waits by itself, but here nobody is taken at their word."""
    started = time.monotonic()
    run = cluster.bootstrap(host)
    until_ready(host, pods=_PODS)
    return Lap(time.monotonic() - started, run.seconds, again=cluster.bootstrap(host))
