"""The addresses that the network's plugin has given out, wanted to be those of pods that are there.

host-local notes each in a file, and forgets it when the runtime unplugs the pod. What a power cut
leaves, or a runtime that was emptied, nobody unplugs: once all are given out no pod starts.
"""

import contextlib
import fcntl
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from kubeception import crash
from kubeception.errors import KubeceptionError
from kubeception.host import files, network, pods
from kubeception.render import flannel
from kubeception.resources import pod_range, pod_results
from kubeception.session import Session

# By which the keeper is plugged in, in the form of a container's id: what a plugin notes by it is
# known for a container's.
KEEPER = hashlib.sha256(b"kubeception keeper").hexdigest()
# While a pod is being made the runtime may not list it yet; its kubelet gives that four minutes.
_MADE_WITHIN_S = 600.0
_NEARLY_ALL = 0.95
# The range's own, the bridge's, and that of the broadcast.
_NOBODYS = 3


@dataclass(frozen=True)
class GivenOut:
    """None is wanted to be noted for a container that the runtime does not know, and that is gone.

    One that is noted for longer than making a pod takes, whose network namespace is gone, and from
    whose address nothing answers on the bridge.
    """

    def __str__(self) -> str:
        return "the addresses of this node's pods"

    def drift(self, session: Session) -> str | None:
        """Say which are noted for nobody; none where the runtime can't be asked."""
        left = _left(session)
        if not left:
            return None
        others = f" and {len(left) - 1} more" if len(left) > 1 else ""
        return f"are given out to pods that are gone: {left[0].address}{others}"

    def apply(self, session: Session) -> None:
        """Forget them, as the plugin does: nobody gets one meanwhile."""
        with _locked(session) as is_ours:
            for one in _left(session) if is_ours else ():
                if _whose(one.path) == (one.container, one.link):
                    files.remove(one.path)


@dataclass(frozen=True)
class _Noted:
    """An address, and for which container and link it is noted, in a file."""

    address: IPv4Address
    container: str
    link: str
    path: Path


def problem(session: Session) -> str | None:
    """Say that pods of this host have nearly all addresses that there are for them."""
    own = pod_range.in_use(session)
    if own is None:
        return None
    most = own.num_addresses - _NOBODYS
    used = sum(one.address in own for one in _noted(session))
    if used < _NEARLY_ALL * most:
        return None
    return f"{used} of {most} addresses of {own} are given out, and without one no pod starts"


def _left(session: Session) -> list[_Noted]:
    """Return those that are left of containers that are gone; the runtime is asked about few."""
    now_s = session.host.clock.now().timestamp()
    some = [one for one in _noted(session) if _may_be_left(session, one, now_s)]
    if not some:
        return []
    try:
        known = pods.identities(session.host, session.config.layout.containerd.socket)
    except KubeceptionError:
        return []
    unknown = [one for one in some if one.container not in known]
    alive = network.answering(flannel.BRIDGE, [one.address for one in unknown])
    return [one for one in unknown if one.address not in alive]


def _may_be_left(session: Session, one: _Noted, now_s: float) -> bool:
    if one.container in {"", KEEPER}:
        return False
    try:
        is_new = now_s - one.path.stat().st_mtime < _MADE_WITHIN_S
    except OSError:  # it is gone
        return False
    return not is_new and not pod_results.has_namespace(session, one.container, one.link)


def _noted(session: Session) -> Iterator[_Noted]:
    for path in sorted(session.host.at(flannel.GIVEN_OUT).glob("*.*.*.*")):
        with contextlib.suppress(ValueError):
            yield _Noted(IPv4Address(path.name), *_whose(path), path)


def _whose(path: Path) -> tuple[str, str]:
    """Return for which container an address is noted, and for which link: a line each."""
    try:
        container, link, *_ = path.read_text(errors="replace").split()
    except (OSError, ValueError):
        return "", ""
    return container, link


@contextlib.contextmanager
def _locked(session: Session) -> Iterator[bool]:
    """Hold the plugin's lock for the length of the block; who can't have it at once gets False."""
    crash.before("lock", str(flannel.GIVEN_OUT))
    with (session.host.at(flannel.GIVEN_OUT) / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
