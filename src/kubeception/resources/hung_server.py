"""A hosted API server that hangs: it takes connections and answers none.

The kubelet would notice after some minutes, and then wait for it to end in peace.
"""

from dataclasses import dataclass

from kubeception.endpoints import HOSTED_PORTS
from kubeception.host import containers
from kubeception.kube import health
from kubeception.kube.health import Answer
from kubeception.reach import Reach
from kubeception.render import apiserver


@dataclass(frozen=True)
class NoHungServer:
    """No hosted API server of this host is wanted to hang."""

    def __str__(self) -> str:
        return "hosted API server"

    def drift(self, reach: Reach) -> str | None:
        """Say which one hangs."""
        ca = reach.layout.pki.ca.certificate
        hung = [port for port in HOSTED_PORTS if health.answer(port, ca) is Answer.NONE]
        return f"hangs on port {hung[0]}" if hung else None

    def apply(self, reach: Reach) -> None:
        """Kill it; the kubelet starts it anew."""
        host, socket, name = reach.host, reach.config.layout.containerd.socket, apiserver.NAME
        found = containers.running(host, socket, labels=apiserver.LABELS, container=name)
        for one in found or ():
            containers.kill(host, socket, one=one, name=name)
