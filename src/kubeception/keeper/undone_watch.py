"""Look at what a join has made of this worker, at a pace that costs little."""

from kubeception import standstill
from kubeception.keeper.undone import Looks, Undone
from kubeception.session import Session

LOOK_EVERY_S = 10.0
# Images that are gone are missed when something starts; what doesn't work is a sign of that.
IMAGES_EVERY_S = 600.0


class UndoneWatch:
    """Remembers since when something is gone, and how often a join was tried for it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._looks = Looks()
        self._read_s: float | None = None
        self._images_read_s: float | None = None

    def forget(self) -> None:
        """Start the count anew, as after a change of the host; what was tried is remembered."""
        self._looks = self._looks.forgotten()
        self._read_s = None

    def has_joined(self, now: float) -> None:
        """Remember that it was tried, whatever it came to."""
        self._looks = self._looks.joined(now)

    def look(self, now: float, *, is_ill: bool) -> Undone | None:
        """Return what is gone; `is_ill` is a host where something does not work."""
        if self._read_s is None or now - self._read_s >= LOOK_EVERY_S:
            self._read_s = now
            last = self._images_read_s
            is_time = last is None or now - last >= IMAGES_EVERY_S
            with_images = is_time or is_ill or self._looks.found is not None
            if with_images:
                self._images_read_s = now
            found = standstill.look(self._session, with_images=with_images)
            found = found or standstill.stale_resolver(self._session)
            self._looks = self._looks.then(found, now)
        return self._looks.undone(now)
