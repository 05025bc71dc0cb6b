"""Why no container can start on a host of a cluster: what a run of ours made of it is gone.

It comes before what containers would do, such as to write the network's rules.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from kubeception import resolver, versions
from kubeception.config import cluster
from kubeception.errors import KubeceptionError
from kubeception.render import containerd, kubelet
from kubeception.resources.image import imported
from kubeception.session import Session

_UNITS = (containerd.UNIT, kubelet.UNIT)
# What systemd itself does not start again, or is not about to.
_STOPPED = {"inactive", "failed"}


class Kind(StrEnum):
    """Which part of it."""

    UNITS = "units"
    IMAGES = "images"
    RESOLVER = "resolver"


@dataclass(frozen=True)
class Standstill:
    """What is gone, and the command that mends it."""

    kind: Kind
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.what} ({self.mend})"


def look(session: Session, *, with_images: bool = True) -> Standstill | None:
    """Return the first part that is gone; the runtime is asked for images where that is wanted."""
    places = (
        (_of_units, _of_the_resolver, _of_images) if with_images else (_of_units, _of_the_resolver)
    )
    return next((found for place in places for found in place(session)), None)


def _of_units(session: Session) -> Iterator[Standstill]:
    try:
        with session.host.systemd.apart() as systemd:  # the keeper looks from a thread, too
            units = [one for one in _UNITS if systemd.state(one).active in _STOPPED]
    except KubeceptionError:  # it can't be asked just now
        return
    if units:
        verb = "is" if len(units) == 1 else "are"
        mend = f"systemctl enable --now {' '.join(units)}"
        yield Standstill(Kind.UNITS, f"{' and '.join(units)} {verb} not running", mend)


def _of_the_resolver(session: Session) -> Iterator[Standstill]:
    """Yield that the kubelet's is gone: each pod fails for it, though the host has another."""
    told, right = _resolvers(session)
    if told and told != right and not session.host.real(told).exists():
        what = f"no pod can start: the kubelet's resolver file {told} is gone, and {right} is right"
        yield Standstill(Kind.RESOLVER, what, run_again(session))


def stale_resolver(session: Session) -> Standstill | None:
    """Return that a better one has come beside the one that the kubelet gives to pods."""
    told, right = _resolvers(session)
    if told != resolver.USUAL or told == right:  # what a person has written stays so
        return None
    what = f"the kubelet's resolver file is {told}, and {right} is right now"
    return Standstill(Kind.RESOLVER, what, run_again(session))


def _resolvers(session: Session) -> tuple[Path | None, Path]:
    """Return the file that the kubelet goes by, and the one that a run would have it go by."""
    try:
        told = kubelet.resolver_in(session.layout.kubelet.settings.read_text())
    except OSError:
        told = None
    return told, resolver.file(session)


def _of_images(session: Session) -> Iterator[Standstill]:
    """Yield which are gone that the cluster goes by, and that the bundle in use brings.

    Those of another one are not missed before a run has come to that.
    """
    copy = cluster.read(session.layout.cluster)
    try:
        if copy is None or not session.layout.containerd.socket.exists():
            return
        bundle = versions.in_use(session.layout.bundle)
        brought = set(bundle.images.values()) if bundle else set()
        missing = sorted(brought & {*copy.settings.release.images.values()} - imported(session))
    except KubeceptionError:  # the runtime can't be asked, or the bundle is being replaced
        return
    if missing:
        what = f"no container can start: the runtime lacks {_named(missing)}"
        yield Standstill(Kind.IMAGES, what, run_again(session))


def _named(images: list[str]) -> str:
    first, others = images[0], len(images) - 1
    return f"image {first}" + (f" and {others} more" if others else "")


def run_again(session: Session) -> str:
    """Return the command that makes anew what a run of ours makes of a host of this role."""
    return "kubeception join" if session.layout.membership.exists() else "kubeception bootstrap"
