"""kubeception on a lab host: one command, on a host where nothing runs yet."""

import time

from tests.lab import cluster

from bench import cpu
from bench.lap import Lap, until_ready
from kubeception.lab import Host

# The API server, two controller-managers, two schedulers, kube-proxy, flannel, two CoreDNS, the
# join service and the controller.
_PODS = 11


def lap(host: Host) -> Lap:
    """Run `kubeception bootstrap`; it waits by itself, but here nobody is taken at their word."""
    started = time.monotonic()
    with cpu.Meter(host) as meter:
        with meter.counting(cpu.COMMAND):
            run = cluster.bootstrap(host)
        with meter.counting(cpu.LOOKING):
            until_ready(host, pods=_PODS)
        seconds = time.monotonic() - started
        meter.wait(cpu.WINDOW_S)
    return Lap(seconds, run.seconds, again=cluster.bootstrap(host), spent=meter.spent)
