"""What of the cluster's network does not work from a host, and which of it counts."""

from dataclasses import dataclass
from enum import StrEnum

_IN_A_ROW = 2


class Reason(StrEnum):
    """What does not work from here, as a Node's condition has it."""

    API = "ApiServiceUnreachable"
    DNS = "ClusterDnsUnreachable"
    PROXY = "KubeProxyNotWell"
    PODS = "PodNetworkUnreachable"
    NODES = "NodeAddressesUnreachable"
    MASQUERADE = "PodsNotMasqueraded"
    SETUP = "PodNetworkNotSetUp"
    DISK = "DiskNotWritable"
    MOUNTS = "MountsNotShared"
    RESOLVER = "NoResolverFile"
    SERVERS = "NameServersUnreachable"
    PROGRAMS = "ProgramsMissing"
    OTHERS = "OtherNetworkFirst"
    CONNECTIONS = "ConnectionTableFull"
    LARGE = "LargePacketsLost"
    UNTRIED = "NetworkNotTried"


@dataclass(frozen=True)
class Trouble:
    """What does not work, and why; `from_pod`: it works from the host itself, and from no pod."""

    reason: Reason
    words: str
    from_pod: bool = False

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Looks:
    """What did not work at the last look, and at how many in a row something did not."""

    trouble: Trouble | None = None
    in_a_row: int = 0

    def then(self, found: Trouble | None) -> "Looks":
        """Return them with one more."""
        return Looks(found, self.in_a_row + 1 if found else 0)

    @property
    def lasting(self) -> Trouble | None:
        """What counts: not what a single look saw."""
        return self.trouble if self.in_a_row >= _IN_A_ROW else None

    @property
    def is_sure(self) -> bool:
        """Whether the last look tells how it is, and no other has to be waited for."""
        return self.trouble is None or self.lasting is not None

    @property
    def is_to_be_seen_again(self) -> bool:
        """Whether a pod does not reach what its host does, and only one look has seen that."""
        return self.trouble is not None and self.trouble.from_pod and self.lasting is None
