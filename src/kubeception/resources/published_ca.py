"""The CA by which pods know the API server, as the cluster publishes it in each namespace."""

from dataclasses import dataclass
from typing import Any

from kubeception.reach import Reach

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

    def drift(self, reach: Reach) -> str | None:
        """Say how many have another one."""
        count = len(self._others(reach))
        return f"{count} have another CA" if count else None

    def apply(self, reach: Reach) -> None:
        """Publish it in these."""
        others, change = self._others(reach), {"data": {_KEY: _own(reach)}}
        with reach.api_on(self.port) as api:
            for found in others:
                api.merge("ConfigMap", _NAME, change, namespace=found["metadata"]["namespace"])

    def _others(self, reach: Reach) -> list[dict[str, Any]]:
        with reach.api_on(self.port) as api:
            found = api.list("ConfigMap", fields={"metadata.name": _NAME})
        own = _own(reach).strip()
        return [one for one in found if own not in one.get("data", {}).get(_KEY, "")]


def _own(reach: Reach) -> str:
    return reach.layout.pki.ca.certificate.read_text()
