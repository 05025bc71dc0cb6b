"""What is true of a host and its cluster: the data that plans are made from; gather.py reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
