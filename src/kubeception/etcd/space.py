"""etcd's room: how much of its quota is taken, and how it gets some back.

Beyond its quota a member raises an alarm, and takes no writes until somebody disarms it:
https://etcd.io/docs/v3.6/op-guide/maintenance/#space-quota
"""

from dataclasses import dataclass

from kubeception import crash
from kubeception.errors import KubeceptionError
from kubeception.etcd.client import EtcdClient

# From here on a person should know.
NEAR = 0.8
# Whoever is let write again has to have some room, or is refused at the next write.
ENOUGH = 0.9
# What freeing gains has to be worth that nobody can read or write meanwhile.
_WORTH = 0.5
_MIB = 2**20
# What a member may have unless it is told otherwise, in bytes.
DEFAULT_QUOTA = 2 * 2**30
HINT = "raise quota-backend-bytes in [etcd.extra_args], or delete what is not needed"


@dataclass(frozen=True)
class Space:
    """What a member's file has, of that the data themselves, and what it may have; in bytes."""

    size: int
    in_use: int
    quota: int
    is_full: bool = False
    """It has raised its alarm, and takes no writes."""

    @property
    def is_near(self) -> bool:
        """Whether a person should know."""
        return self.is_full or self.size >= NEAR * self.quota

    @property
    def is_worth_freeing(self) -> bool:
        """Whether something can be gained, or has to be."""
        return self.is_full or (self.is_near and self.in_use < _WORTH * self.size)

    def __str__(self) -> str:
        # In hundredths, so that it reads the same for a while.
        taken, used = (f"{part / self.quota:.0%}" for part in (self.size, self.in_use))
        share = f"{taken} of its {self.quota / _MIB:.0f} MiB are taken, {used} in use"
        return f"etcd takes no writes: {share}" if self.is_full else f"etcd: {share}"


def look(etcd: EtcdClient) -> Space:
    """Return how it is.

    Raises:
        KubeceptionError: it doesn't answer.
    """
    status = etcd.status()
    return Space(
        size=int(status["dbSize"]),
        in_use=int(status.get("dbSizeInUse", status["dbSize"])),
        quota=int(status["dbSizeQuota"]),
        is_full=any("NOSPACE" in error for error in status.get("errors", [])),
    )


def free(etcd: EtcdClient) -> Space:
    """Give up the history, give back what is free, and let it be written to; return how it is then.

    Clients that were reading what was read, a page of a list, say, begin anew.

    Raises:
        KubeceptionError: it doesn't answer, or the data themselves have no room.
    """
    revision = int(etcd.status()["header"]["revision"])
    crash.before("compact", "etcd")
    etcd.compact(revision)
    crash.before("defragment", "etcd")
    etcd.defragment()
    now = look(etcd)
    if now.size >= ENOUGH * now.quota:
        raise KubeceptionError(f"{now}", hint=HINT)
    if now.is_full:
        crash.before("disarm", "etcd")
        etcd.disarm()
    return look(etcd)
