"""Events by the controller, about what it decides and does."""

from datetime import UTC, datetime

from kubeception.errors import ApiError
from kubeception.kube.client import Api, Object
from kubeception.render import objects
from kubeception.render.cluster_controller import NAME

_CONFLICT = 409


def tell(
    api: Api, about: Object, reason: str, message: str, *, kind: str = "Warning", **name: str
) -> None:
    """Leave an event about an object; one that has a `name` is left once."""
    event = objects.event(
        about,
        reason,
        message,
        by={"component": NAME},
        at=datetime.now(UTC),
        kind=kind,
        **(name or {"generateName": f"{NAME}."}),
    )
    try:
        api.create(event)
    except ApiError as error:
        if error.status != _CONFLICT:
            raise
