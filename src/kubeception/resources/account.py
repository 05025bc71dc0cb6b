"""A ServiceAccount of ours, and that whoever runs as one is known to the API."""

from dataclasses import dataclass

from kubeception.resources.object import Object
from kubeception.session import Session

KIND = "ServiceAccount"


@dataclass(frozen=True)
class Account(Object):
    """One that is made again is another one to the API, whatever its name.

    It takes no token of the one before, which a kubelet renews within the hour and no sooner
    (https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/).
    """

    def apply(self, session: Session) -> None:
        """Apply it; where it was gone, end pods that have run as it: others follow, with a token.

        They end first: so whoever is killed in between finds it missing again.
        """
        if self._found(session) is None:
            about = self.wanted["metadata"]
            name, namespace = about["name"], about["namespace"]
            for pod in session.api.list("Pod", namespace=namespace):
                if pod["spec"].get("serviceAccountName") == name:
                    session.api.delete("Pod", pod["metadata"]["name"], namespace=namespace)
        super().apply(session)
