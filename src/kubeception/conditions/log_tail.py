"""Why something does not come up: what its unit or container has to say for itself."""

from collections.abc import Sequence

from kubeception.endpoints import BOOTSTRAP_PORT
from kubeception.errors import KubeceptionError
from kubeception.host import logs
from kubeception.render import apiserver, kubelet
from kubeception.session import Session


def of_unit(session: Session, unit: str) -> Sequence[str]:
    """Return how a unit is, by systemd, and its last lines."""
    try:
        state = str(session.host.systemd.state(unit))
    except KubeceptionError as error:
        state = error.message
    return (f"{unit}: {state}", *logs.of_unit(unit, root=session.host.inside))


def of_apiserver(session: Session, port: int) -> Sequence[str]:
    """Return an API server's last lines; those of the kubelet where it has not started one."""
    pod = f"{apiserver.BOOTSTRAP_NAME}-" if port == BOOTSTRAP_PORT else apiserver.NAME
    folder = session.layout.kubelet.pod_logs
    said = logs.of_container(folder, pod, apiserver.NAME)
    return (f"{apiserver.NAME}, by {folder}:", *said) if said else of_unit(session, kubelet.UNIT)
