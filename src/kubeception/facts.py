"""What is true of a host and its cluster: the data that plans are made from; gather.py reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from kubeception.config import Config
from kubeception.config.cluster import ClusterSettings
from kubeception.config.model import Net, ProxyMode
from kubeception.endpoints import HOSTED_PORTS, Address
from kubeception.versions import Release


@dataclass(frozen=True)
class Hosted:
    """The hosted API server as its DaemonSet has it, and its pods."""

    port: int
    """The port that is asked for; a host whose turn in a roll hasn't come has another one."""
    template: str
    """A digest of the settings that we rendered."""
    revision: str = ""
    """What identifies its revision, on whichever port."""
    image: str = ""
    """Whose release that is of."""
    serves: bool = True
    """Whether it serves on this host."""
    serves_elsewhere: bool = False
    """Whether it serves on another one, by the word of that one's kubelet."""
    own: frozenset[int] = frozenset()
    """The ports of this host's pods, but for those that end."""
    taken: frozenset[int] = frozenset()
    """The ports of the pods of all hosts."""
    refused: str = ""
    """The digest of rendered settings whose revision was put back, by whichever host."""


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
    """What the cluster said to a host that it took in as a worker: what its kubelet has to know.

    `joined_by` is the address for which the host was taken in, and `joined_at` the host at which it
    asked; "" where nobody has written that down.
    """

    apiservers: tuple[str, ...]
    cluster_dns: str
    cluster_domain: str
    joined_by: str = ""
    joined_at: str = ""

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
    address: Address | None = None
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
class HostFacts:
    """What is true of one host: it decides files and units, and no object of the cluster's."""

    node: str
    """The name of its Node."""
    address: Address
    """The address by which others know it."""
    release: Release
    """What the bundle in use brings, or else what this version knows of itself."""
    archives: Mapping[str, Path] = field(default_factory=dict)
    """Where the images lie, by component; none without a bundle."""
    cgroup_version: int = 2
    has_sys_resource: bool = True
    """Whether limits of the kernel and scores of processes can be changed here."""
    has_bridge_netfilter: bool = True
    """Whether the kernel has br_netfilter built in, or loaded by somebody else."""
    has_network_manager: bool = False
    """Whether NetworkManager has settings here, even where it does not run."""
    has_nftables_proxy: bool = True
    """Whether the kernel is new enough for kube-proxy's nftables mode."""
    resolv_conf: str = "/etc/resolv.conf"
    """The resolver file that pods inherit."""
    has_resolver: bool = True
    """Whether it names a server."""
    foreign_units: frozenset[str] = frozenset()
    """Units of the host's own, which we use as they are."""
    etcd_uid: int | None = None
    """Whom an etcd of the host's own runs as; None for ours, or where nobody tells."""
    image: str = ""
    """Which file system this runs in where that is a container's; elsewhere "". """
    membership: Membership | None = None
    """What the cluster said to a worker; None on all other hosts."""
    identity: Identity | None = None
    """Who it is, as it remembers it."""
    stored: Stored | None = None
    """Whose etcd's data are."""
    authorities: Mapping[str, str] = field(default_factory=dict)
    """The CAs' certificates (PEM) that are here, by name."""
    signing: tuple[str, ...] = ()
    """The names of those whose keys are here."""
    service_account: str = ""
    """The public key of ServiceAccount tokens (PEM)."""
    new_token: str = ""
    """A token for a new etcd cluster; another one at each reading."""
    door: int = 0
    """The port that the door points at, 0 for none."""
    api_answers: bool = False
    """Whether an API answers there."""
    ready: int = 0
    """The port of a hosted API server that answers while there is no door, 0 for none."""
    proven: Proven | None = None
    """The newest proven revision of the API server that can be started here."""
    refused: str = ""
    """The digest of rendered settings whose revision was put back."""

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


def asked(config: Config, host: HostFacts) -> ClusterSettings:
    """Return what a host would have its cluster go by: what its file says, and what it decides."""
    by_kernel = ProxyMode.NFTABLES if host.has_nftables_proxy else ProxyMode.IPTABLES
    decided = ClusterSettings(
        release=Release(host.release.kubernetes, host.release.images),
        net=Net(proxy_mode=by_kernel),
        forwards_names=host.has_resolver,
        sizes_conntrack=host.has_sys_resource,
    )
    return decided.asked_by(config)


@dataclass(frozen=True)
class Shared:
    """What the API has said of the cluster: its settings, and its control-plane hosts' addresses.

    `settings` is None where the cluster has none yet, or none that this version can read.
    """

    settings: ClusterSettings | None = None
    control_planes: Mapping[str, Address] = field(default_factory=dict)


@dataclass(frozen=True)
class ClusterFacts:
    """What decides the cluster's objects: on each of its hosts the same."""

    settings: ClusterSettings
    """What all hosts go by, with what a person asks for by now."""
    before: ClusterSettings | None
    """What they go by as the cluster has it; None where it has none, or can't be asked."""
    asked: ClusterSettings
    """What this host asks for: the base of what a person changes next."""
    control_planes: Mapping[str, Address]
    """The addresses of its control-plane hosts, by node."""
    copied: ClusterSettings | None = None
    """What they go by as this host's copy has it; None where it has none."""
    hosted: Hosted | None = None
    """The hosted API server; None where there is no such DaemonSet, or no API to ask."""
    has_leaders: bool = True
    """Whether somebody holds the Leases of the controller-manager and the scheduler."""
    dead_leases: tuple[str, ...] = ()
    """Those of them whose holder is dead."""

    @property
    def is_single(self) -> bool:
        """Whether one host alone is the control plane."""
        return len(self.control_planes) == 1

    @property
    def endpoint(self) -> Address:
        """The address at which programs on every node find the API."""
        return self.control_planes[min(self.control_planes)]


@dataclass(frozen=True)
class Facts:
    """Everything that decides which things are wanted."""

    host: HostFacts
    cluster: ClusterFacts
    needs_api: bool = True
    """Whether the bootstrap API server has to carry the cluster."""
    needs_controllers: bool = True
    """Whether the bootstrap controller-manager and scheduler have to."""
    is_attended: bool = False
    """Whether a person runs this, who may change what all hosts share."""

    @property
    def port(self) -> int:
        """The port of this host's hosted API server: that of the revision asked for, once due."""
        hosted, live = self.cluster.hosted, self.host.door
        if hosted is None:
            return HOSTED_PORTS[0]
        if self.cluster.is_single or not hosted.own or hosted.port in hosted.own:
            return hosted.port
        return live if live in hosted.own else min(hosted.own)  # its turn has not come

    @property
    def is_carried(self) -> bool:
        """Whether the door leads to a hosted API server."""
        return self.cluster.hosted is not None and self.host.door in HOSTED_PORTS

    def without_revision(self) -> "Facts":
        """Return them as if no revision of the API server had been proven here."""
        return replace(self, host=replace(self.host, proven=None))
