"""A bundle that this host is to fetch, as the ClusterUpgrade itself says, which the host reads.

A Node only names that. Who may write on Nodes may be no more than a pod of the controller's, and
what is fetched runs as root: so nothing but a name is believed of it.
"""

from collections.abc import Iterator

from kubeception.errors import ApiError, KubeceptionError
from kubeception.gather import node_name
from kubeception.keeper.errand import Asked
from kubeception.kube.client import Object
from kubeception.render.cluster_upgrade import KIND, source_of
from kubeception.session import Session

_FORBIDDEN = 403


def obstacle(session: Session, wanted: Asked) -> str | None:
    """Return why this host fetches nothing.

    Raises:
        ApiError: the API can't be asked.
    """
    if session.host.is_contained:
        return "this host goes by an image: no bundle's commands reach it"
    try:
        return problem(_order(session, wanted), wanted, node_name(session))
    except ApiError as error:
        if error.status != _FORBIDDEN:
            raise
        return f"may not read its {KIND}: {error.message}"


def commands(session: Session, wanted: Asked) -> Iterator[tuple[str, ...]]:
    """Yield what brings a bundle to this host, as a person would.

    Raises:
        KubeceptionError: its ClusterUpgrade does not say so, or not any more.
    """
    found = _order(session, wanted)
    source = source_of(found) if found else None
    if why := problem(found, wanted, node_name(session)):
        raise KubeceptionError(f"{wanted}: {why}")
    if source:
        program = str(session.config.layout.launchers / "kubeception")
        yield program, "bundle", "fetch", source.url, "--sha256", source.sha256


def problem(found: Object | None, wanted: Asked, node: str) -> str | None:
    """Say why an object is not the one by which this host is to fetch a bundle. Pure."""
    what = f"{KIND} {wanted.order}"
    if found is None:
        return f"there is no {what}"
    spec = found["spec"]
    if found["metadata"]["uid"] != wanted.run:
        return f"{what} is another one"
    if spec.get("version") != wanted.name:
        return f"{what} leads to {spec.get('version', 'no release')}"
    if source_of(found) is None:
        return f"{what} names no source"
    if not (spec.get("all") or node in spec.get("nodes", ())):
        return f"{what} is not for node {node}"
    return f"{what} was aborted" if spec.get("aborted") else None


def _order(session: Session, wanted: Asked) -> Object | None:
    """Return the ClusterUpgrade that a Node names, as this host's kubelet may read it."""
    with session.api_of_kubelet() as api:
        return api.get(KIND, wanted.order)
