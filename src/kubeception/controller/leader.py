"""Which one of several controllers acts: who holds the Lease (coordination.k8s.io/v1).

No clock of others is asked: a Lease that has not changed for its length, by our own clock, is free.
"""

from datetime import UTC, datetime
from time import monotonic

from kubeception.errors import ApiError
from kubeception.kube.client import Api
from kubeception.render.objects import NAMESPACE

LENGTH_S = 15.0
RENEW_S = 2.0
_MANAGER = "kubeception-controller"


class Leader:
    """A candidate for a Lease that is there already; `name` is the candidate's own."""

    def __init__(self, api: Api, lease: str, name: str, *, length_s: float = LENGTH_S) -> None:
        self._api = api
        self._length_s = length_s
        self._lease = lease
        self._name = name
        self._seen = ""
        self._since = monotonic()
        self._renewed: float | None = None

    def leads(self) -> bool:
        """Renew or take the Lease if it is time to, and tell whether it is held.

        Raises:
            ApiError: the API can't be asked, or there is no Lease.
        """
        now = monotonic()
        if self._renewed is not None and now - self._renewed < RENEW_S:
            return True
        found = self._api.get("Lease", self._lease, namespace=NAMESPACE)
        if found is None:
            self._renewed = None
            raise ApiError(404, "NotFound", f"there is no Lease {self._lease}; bootstrap makes it")
        version = found["metadata"]["resourceVersion"]
        if version != self._seen:
            self._seen, self._since = version, now
        holder = (found.get("spec") or {}).get("holderIdentity")
        if holder not in {None, "", self._name} and now - self._since < self._length_s:
            self._renewed = None
            return False
        try:
            written = self._api.set_fields(found, {"/spec": self._spec()}, manager=_MANAGER)
        except ApiError as error:
            if error.status not in {409, 422}:
                raise
            self._renewed = None  # another one was quicker
            return False
        self._seen, self._since = written["metadata"]["resourceVersion"], now
        self._renewed = now
        return True

    def let_go(self) -> None:
        """Leave the Lease to the next one."""
        if self._renewed is not None:
            found = self._api.get("Lease", self._lease, namespace=NAMESPACE)
            if found and (found.get("spec") or {}).get("holderIdentity") == self._name:
                self._api.set_fields(
                    found, {"/spec": {**self._spec(), "holderIdentity": ""}}, manager=_MANAGER
                )

    def _spec(self) -> dict[str, str | int]:
        return {
            "holderIdentity": self._name,
            "leaseDurationSeconds": int(LENGTH_S),
            "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
