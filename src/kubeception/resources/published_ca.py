"""The CA by which pods know the API server, as the cluster publishes it in each namespace."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kubeception.session import Session

if TYPE_CHECKING:
    from kubeception.kube.client import Api, Object

# https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-token-volume
_NAME = "kube-root-ca.crt"
_KEY = "ca.crt"


@dataclass(frozen=True)
class PublishedCa:
    """This host's CA, wanted wherever another one is published, by the server on `port`.

    The controller-manager publishes it as well, but later: many pods read it once, when they start.
    """

    port: int

    def __str__(self) -> str:
        return f"ConfigMaps {_NAME}"

    def drift(self, session: Session) -> str | None:
        """Say how many have another one."""
        with session.api_on(self.port) as api:
            count = len(_others(api, _own(session)))
        return f"{count} have another CA" if count else None

    def apply(self, session: Session) -> None:
        """Publish it in these."""
        own = _own(session)
        with session.api_on(self.port) as api:
            for found in _others(api, own):
                namespace = found["metadata"]["namespace"]
                api.merge("ConfigMap", _NAME, {"data": {_KEY: own}}, namespace=namespace)


def _others(api: "Api", own: str) -> "list[Object]":
    found = api.list("ConfigMap", fields={"metadata.name": _NAME})
    return [one for one in found if own.strip() not in one.get("data", {}).get(_KEY, "")]


def _own(session: Session) -> str:
    return session.layout.pki.ca.certificate.read_text()
