"""A hosted API server that hangs: it takes connections and answers none.

The kubelet would notice after some minutes, and then wait for it to end in peace.
"""

from dataclasses import dataclass

from kubeception.endpoints import HOSTED_PORTS
from kubeception.host import containers
from kubeception.kube import health
from kubeception.kube.health import HealthAnswer
from kubeception.render import apiserver
from kubeception.session import Session


@dataclass(frozen=True)
class NoHungServer:
    """No hosted API server of this host is wanted to hang."""

    def __str__(self) -> str:
        return "hosted API server"

    def drift(self, session: Session) -> str | None:
        """Say which one hangs."""
        ca = session.layout.pki.ca.certificate
        hung = [port for port in HOSTED_PORTS if health.answer(port, ca) is HealthAnswer.NONE]
        return f"hangs on port {hung[0]}" if hung else None

    def apply(self, session: Session) -> None:
        """Kill it; the kubelet starts it anew."""
        host, socket, name = session.host, session.config.layout.containerd.socket, apiserver.NAME
        found = containers.running(host, socket, labels=apiserver.LABELS, container=name)
        for one in found or ():
            containers.kill(host, socket, one=one, name=name)
