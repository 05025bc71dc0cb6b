"""Bootstrap pods that the kubelet has refused, for want of room by what its Node says.

A static pod that was refused stays so until the kubelet is started anew: then, with no API server
to ask, it goes by the room that its host has.
"""

import contextlib
from dataclasses import dataclass

from kubeception.errors import KubeceptionError
from kubeception.host import containers
from kubeception.render import apiserver, controllers, kubelet
from kubeception.session import Session

# A pod that a kubelet takes up stands within two seconds.
PATIENCE_S = 15.0
_PODS = {
    apiserver.BOOTSTRAP_NAME: apiserver.NAME,
    **{one.bootstrap_name: one.name for one in controllers.BOTH},
}


@dataclass(frozen=True)
class TakenUp:
    """Every bootstrap pod that was placed a while ago is wanted to stand."""

    def __str__(self) -> str:
        return "bootstrap pods"

    def drift(self, session: Session) -> str | None:
        """Name one that the kubelet has refused."""
        started_s = session.host.systemd.state(kubelet.UNIT).started_s
        now_s = session.host.clock.now().timestamp()
        socket = session.config.layout.containerd.socket
        for pod, container in _PODS.items():
            with contextlib.suppress(FileNotFoundError, KubeceptionError):
                placed_s = (session.layout.kubelet.manifests / f"{pod}.yaml").stat().st_mtime
                if now_s - max(placed_s, started_s) < PATIENCE_S:
                    continue
                labels = {"component": pod}
                found = containers.running(session.host, socket, labels=labels, container=container)
                if found is None:
                    return f"the kubelet has refused {pod}"
        return None

    def apply(self, session: Session) -> None:
        """Start the kubelet anew."""
        session.host.systemd.restart(kubelet.UNIT)
