"""Whether the API's Service leads to the control plane's hosts, as a bootstrap would have it.

Who edits its Endpoints or its EndpointSlice takes the API from pods: API servers keep neither.
"""

from kubeception import gather
from kubeception.endpoints import API_PORT, Address
from kubeception.errors import ApiError
from kubeception.render import api_service
from kubeception.session import Session


def problem(session: Session, node: str, own: Address | None) -> str | None:
    """Say where one of them leads instead; of one that is gone others tell.

    `own` is the address that this host goes by.

    Raises:
        KubeceptionError: the API can't be asked.
    """
    if own is None:
        return None
    hosts = {**dict(gather.control_planes(session)), node: own}
    wanted = {f"{address}:{API_PORT}" for address in hosts.values()}
    for kind in api_service.PLACES:
        try:
            found = session.api.get(kind, api_service.NAME, namespace=api_service.IN)
        except ApiError as error:
            if error.status != 403:
                raise
            return None  # a bootstrap gives the right to it
        leads = api_service.led_to({**found, "kind": kind}) if found else wanted
        if leads != wanted:
            where, right = (", ".join(sorted(one)) or "nowhere" for one in (leads, wanted))
            return f"{kind} {api_service.IN}/{api_service.NAME} leads to {where}, not to {right}"
    return None
