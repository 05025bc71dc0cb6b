"""What is true of a host and its cluster: the data that plans are made from; gather.py reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Hosted:
    """The hosted API server as its DaemonSet has it: its port, and a digest of its template."""

    port: int
    template: str


@dataclass(frozen=True)
class Facts:
    """Everything that decides which things are wanted.

    `door` is the port that the door points at, 0 for none; where it is gone, `ready` is the port of
    a hosted API server that answers, 0 for none. `hosted` is None where there is no such
    DaemonSet or no API to ask. `needs_api` says that the bootstrap API server has to carry the
    cluster, `needs_controllers` that the bootstrap controller-manager and scheduler have to: the
    hosted ones cannot, or a rebuild was asked for. `dead_leases` were last renewed before this host
    booted. `foreign_units` are the host's own, which we use as they are. `archives` are the
    bundle's images by component.
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
    ready: int = 0
    hosted: Hosted | None = None
    needs_api: bool = True
    needs_controllers: bool = True
    dead_leases: tuple[str, ...] = ()
