"""Which one of several acts: who holds a Lease (coordination.k8s.io/v1).

No clock of others is asked: a Lease that has not changed for its duration, by our own clock, is
free, as in client-go. Each change names the version that it was made for, so only one gets it.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic as _monotonic

from kubeception.errors import ApiError
from kubeception.kube.client import CHANGED_MEANWHILE, Api, Object

DURATION_S = 15.0
RENEW_S = 2.0


def _now() -> datetime:
    return datetime.now(UTC)


class Lease:
    """A Lease that is there already, as one candidate sees it; `holder` is the candidate's name.

    It is renewed no earlier than `renew_s` after the last time. What `now` says is only told.
    """

    def __init__(
        self,
        name: str,
        holder: str,
        *,
        namespace: str,
        manager: str,
        duration_s: float = DURATION_S,
        renew_s: float = RENEW_S,
        now: Callable[[], datetime] = _now,
        monotonic: Callable[[], float] = _monotonic,
    ) -> None:
        self.name = name
        self.holder = holder
        self._namespace = namespace
        self._manager = manager
        self._duration_s = duration_s
        self._renew_s = renew_s
        self._now = now
        self._monotonic = monotonic
        self._seen: Object = {}
        self._since_s = 0.0
        self._renewed_s: float | None = None

    @property
    def seen(self) -> Object:
        """What the Lease said when it was last read or written."""
        return self._seen

    def read(self, api: Api) -> Object:
        """Return the Lease.

        Raises:
            ApiError: the API can't be asked, or there is no Lease.
        """
        found = api.get("Lease", self.name, namespace=self._namespace)
        if found is None:
            self._renewed_s = None
            raise ApiError(
                404, "NotFound", f"there is no Lease {self.name}", hint="kubeception bootstrap"
            )
        return found

    def hold(self, api: Api) -> bool:
        """Renew or take the Lease if it is time to, and tell whether it is held.

        Raises:
            ApiError: the API can't be asked, or there is no Lease.
        """
        now = self._monotonic()
        if self._renewed_s is not None and now - self._renewed_s < self._renew_s:
            return True
        found = self.read(api)
        said = found.get("spec") or {}
        if said != self._seen:
            self._seen, self._since_s = said, now
        holder = said.get("holderIdentity")
        lasts_s = said.get("leaseDurationSeconds") or self._duration_s
        self._renewed_s = None
        if holder not in {None, "", self.holder} and now - self._since_s < lasts_s:
            return False
        if self._write(api, found, self.holder):
            self._since_s = self._renewed_s = now
        return self._renewed_s is not None

    def release(self, api: Api) -> None:
        """Leave the Lease to the next one.

        Raises:
            ApiError: the API can't be asked; then the Lease runs out.
        """
        if self._renewed_s is not None:
            self._renewed_s = None
            found = self.read(api)
            if (found.get("spec") or {}).get("holderIdentity") == self.holder:
                self._write(api, found, "")

    def _write(self, api: Api, found: Object, holder: str) -> bool:
        """Write who holds it; return whether nobody was quicker."""
        wanted = {
            "holderIdentity": holder,
            "leaseDurationSeconds": int(self._duration_s),
            "renewTime": self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        try:
            api.set_fields(found, {"/spec": wanted}, manager=self._manager)
        except ApiError as error:
            if error.status not in CHANGED_MEANWHILE:
                raise
            return False
        self._seen = wanted
        return True
