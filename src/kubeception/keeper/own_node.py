"""This host's node as the keeper sees it: is it Ready, at which address, is it to reboot. Pure.

A node that is NotReady may have a kubelet that hangs, in what a pod has it wait for, say; a new one
does not. Where that doesn't help either, it is tried again ever more seldom.
"""

from dataclasses import dataclass, replace
from typing import Any

from kubeception.endpoints import Address
from kubeception.render.cluster_upgrade import REBOOT_NOTE

# A kubelet and a pod network that have just started are Ready well within this.
UNREADY_S = 60.0
LONGEST_S = 3600.0
# An address may be gone for a while, with a cable or a lease, and come back.
MOVED_S = 60.0
# How a kubelet begins to say that no network plugin has set up this host.
_NO_NETWORK = "container runtime network not ready"


def is_to_reboot(node: dict[str, Any] | None, boot: str) -> bool:
    """Tell whether a Node asks its host to end this boot, by its id.

    By the kernel's word: after a reboot the Node goes on naming the boot before for a while.
    """
    notes = (node or {}).get("metadata", {}).get("annotations") or {}
    return bool(boot) and notes.get(REBOOT_NOTE) == boot


@dataclass(frozen=True)
class Unready:
    """A node that says `why` it is not Ready.

    It has been so for `for_s` seconds by the word of the kubelet that runs now, which is restarted
    after `patience_s`. `brings_network`: kubeception sets up the pods' network.
    """

    node: str
    why: str
    for_s: float = 0.0
    patience_s: float = UNREADY_S
    brings_network: bool = True

    @property
    def is_left_to_the_user(self) -> bool:
        """Whether it waits for a network that somebody else is to bring."""
        return not self.brings_network and self.why.startswith(_NO_NETWORK)

    def may_need_a_new_kubelet(self, slowness: float = 1.0) -> bool:
        """Tell whether the kubelet has had its time, on a machine that is so slow."""
        return not self.is_left_to_the_user and self.for_s >= self.patience_s * slowness

    def __str__(self) -> str:
        if self.is_left_to_the_user:
            return f"node {self.node} waits for a pod network, which net.cni leaves to you"
        return f"node {self.node} is NotReady: {self.why}"


@dataclass(frozen=True)
class Tries:
    """How often the same was tried for this host's sake, and at which moment last.

    Such as to restart the kubelet; what is not well is left so for `first_s` before the first time.
    """

    count: int = 0
    last_s: float = 0.0
    first_s: float = UNREADY_S

    def then(self, now_s: float) -> "Tries":
        """Return them with one more."""
        return replace(self, count=self._counted(now_s) + 1, last_s=now_s)

    def patience_s(self, now_s: float) -> float:
        """Return for how long it is left so now: a kubelet a minute, then 4, 8, … up to an hour."""
        count = self._counted(now_s)
        return min(self.first_s * 2 ** (count + 1), LONGEST_S) if count else self.first_s

    def _counted(self, now_s: float) -> int:
        """Return how many of them count: what was long ago had other causes."""
        return self.count if now_s - self.last_s < 2 * LONGEST_S else 0


@dataclass(frozen=True)
class Moved:
    """A host that no longer has the address it goes by; it has another one, or None.

    `for_s` is for how many seconds it has been so.
    """

    before: Address
    now: Address | None
    for_s: float = 0.0

    @property
    def is_to_be_followed(self) -> bool:
        """Whether the old address stays away, and there is one to go by."""
        return self.now is not None and self.for_s >= MOVED_S

    def __str__(self) -> str:
        other = f"has {self.now}" if self.now else "has no other to go by"
        return f"address {self.before} is gone, and the host {other}"
