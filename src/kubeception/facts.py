"""What is true of a host and its cluster: the data that plans are made from; gather.py reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Hosted:
    """The hosted API server as its DaemonSet has it.

    Its port, a digest of the settings that we rendered, what identifies its revision, and whether
    it serves.
    """

    port: int
    template: str
    revision: str = ""
    serves: bool = True


@dataclass(frozen=True)
class Proven:
    """A revision of the hosted API server that has served on this host long enough.

    `template` is its pod template, and `manager` the field manager whose edits are in it.
    """

    revision: str
    template: Mapping[str, Any]
    manager: str


@dataclass(frozen=True)
class Membership:
    """What the cluster said to a host that it took in as a worker: what its kubelet has to know."""

    apiservers: tuple[str, ...]
    cluster_dns: str
    cluster_domain: str

    @property
    def apiserver(self) -> str:
        """The URL by which the host goes to the API."""
        return self.apiservers[0]


@dataclass(frozen=True)
class Stored:
    """Whose etcd's data are: the ids of the cluster and of the member, in hex; "" if unreadable."""

    cluster: str = ""
    member: str = ""


@dataclass(frozen=True)
class Identity:
    """Who a control-plane host is, as it remembers it beside etcd's data and the certificates.

    It goes by `node` and `address`; `former` is a name that it is giving up. `token` makes the ids
    of its etcd cluster its own ("": etcd's default); `cluster` and `member` are these ids, "" until
    etcd has data. `authorities` are its CAs' certificates (PEM) by name, `signing` the names of
    those whose keys it has, `service_account` the public key of ServiceAccount tokens (PEM).
    """

    node: str = ""
    address: str = ""
    former: str = ""
    token: str = ""
    cluster: str = ""
    member: str = ""
    authorities: Mapping[str, str] = field(default_factory=dict)
    signing: tuple[str, ...] = ()
    service_account: str = ""

    @property
    def is_legible(self) -> bool:
        """Whether it says anything; a record that can't be read says only that there was one."""
        return bool(self.node)

    @property
    def has_data(self) -> bool:
        """Whether this host's etcd has had data."""
        return bool(self.cluster) or not self.is_legible


class Accept(StrEnum):
    """What only a person may accept, each with what it gives up."""

    EMPTY_ETCD = "empty-etcd"
    OLDER_ETCD = "older-etcd"
    OTHER_ETCD = "other-etcd"
    NEW_CA = "new-ca"
    OTHER_CA = "other-ca"
    NEW_SERVICE_ACCOUNT_KEY = "new-sa-key"
    OTHER_SERVICE_ACCOUNT_KEY = "other-sa-key"


# Those by which etcd's data are other ones afterwards.
OF_DATA = frozenset({Accept.EMPTY_ETCD, Accept.OLDER_ETCD, Accept.OTHER_ETCD})


@dataclass(frozen=True)
class Loss:
    """Something of this host's cluster that is gone, or another one's: nobody goes on by himself.

    `hint` is the way on; `accepted_as` is how a person says to go on all the same, None where
    nothing is gained by it.
    """

    path: Path
    problem: str
    hint: str
    accepted_as: Accept | None

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


@dataclass(frozen=True)
class Facts:
    """Everything that decides which things are wanted.

    `door` is the port that the door points at, 0 for none, `is_answered` whether an API answers
    there; where the door is gone, `ready` is the port of
    a hosted API server that answers, 0 for none. `hosted` is None where there is no such
    DaemonSet or no API to ask. `needs_api` says that the bootstrap API server has to carry the
    cluster, `needs_controllers` that the bootstrap controller-manager and scheduler have to: the
    hosted ones cannot, or a rebuild was asked for. `dead_leases` are held by somebody dead.
    `etcd_uid` is whom an etcd of the host's own runs as, None for ours or where nobody tells.
    `is_led` says that the Leases are held. `proven` is the newest proven API server, and
    `refused` the digest of rendered settings whose revision was put back. `foreign_units` are the
    host's own, which we use as they are. `archives` are the bundle's images by component.
    `image` tells which file system this runs in where that is a container's, on a host that may
    have no Python; elsewhere it is "". `membership` is None on all hosts but workers, on which only
    what is about the host itself is known.
    """

    node: str
    address: str
    images: Mapping[str, str]
    archives: Mapping[str, Path] = field(default_factory=dict)
    cgroup_version: int = 2
    has_sys_resource: bool = True
    has_bridge_netfilter: bool = True
    has_nftables_proxy: bool = True
    resolv_conf: str = "/etc/resolv.conf"
    has_resolver: bool = True
    foreign_units: frozenset[str] = frozenset()
    door: int = 0
    is_answered: bool = False
    ready: int = 0
    hosted: Hosted | None = None
    needs_api: bool = True
    needs_controllers: bool = True
    dead_leases: tuple[str, ...] = ()
    etcd_uid: int | None = None
    is_led: bool = True
    proven: Proven | None = None
    refused: str = ""
    image: str = ""
    membership: Membership | None = None
    identity: Identity | None = None
    stored: Stored | None = None
    authorities: Mapping[str, str] = field(default_factory=dict)
    signing: tuple[str, ...] = ()
    service_account: str = ""
    new_token: str = ""

    @property
    def remembered(self) -> Identity:
        """What this host is to remember of itself and of its data by now."""
        before = self.identity
        if before is None or not before.is_legible:
            before = Identity(node=self.node)
        former = before.former if before.node == self.node else before.node
        found = self.stored or Stored()
        is_new = not (before.token or before.cluster or self.stored)
        return replace(
            before,
            node=self.node,
            address=self.address,
            former="" if former == self.node else former,
            # Data without one are an earlier version's: made with etcd's default.
            token=self.new_token if is_new else before.token,
            # What is known once stays: what is there now may have been exchanged meanwhile.
            cluster=before.cluster or found.cluster,
            member=before.member or found.member,
        )

    @property
    def remembered_with_keys(self) -> Identity:
        """The same with its keys: once they are known to be of the cluster whose data are here."""
        before = self.remembered
        return replace(
            before,
            authorities={**self.authorities, **before.authorities},
            signing=tuple(sorted({*before.signing, *self.signing})),
            service_account=before.service_account or self.service_account,
        )
