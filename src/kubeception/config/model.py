"""What the user asks for: every key of the configuration file, its default and its meaning.

The first keys of most sections are the original's and mean what they did there. A struct's
docstring and each key's description end up in the reference and in the JSON Schema.
"""

import functools
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from kubeception.config.names import DNS_NAME, LONGEST_NODE_NAME
from kubeception.endpoints import NODE_PORTS
from kubeception.layout import EtcdPaths, KubeletPaths, Layout, PkiPaths
from kubeception.readable import readable

# Python's `$` also matches before a last newline; the lookahead forbids that, here and in editors.
END = r"$(?!\n)"
OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
IPV4 = rf"{OCTET}(\.{OCTET}){{3}}"


def _text(pattern: str, title: str, *, most: int | None = None) -> Meta:
    """Describe a string; the title is what messages, reference and schema call it."""
    return Meta(pattern=f"^{pattern}{END}", title=title, max_length=most)


PATH = r"(/[A-Za-z0-9_.+@-]+)+"
AbsolutePath = Annotated[str, _text(f"{PATH}/?", "an absolute path of plain characters")]
Address = Annotated[str, _text(IPV4, "an IPv4 address")]
Network = Annotated[
    str, _text(rf"{IPV4}/(3[0-2]|[12]?[0-9])", "an IPv4 network such as 10.0.0.0/16")
]
DnsName = Annotated[str, _text(DNS_NAME, "a DNS name in lower case", most=253)]
NodeName = Annotated[
    str,
    _text(
        DNS_NAME,
        f"a DNS name in lower case, {LONGEST_NODE_NAME} letters at most",
        most=LONGEST_NODE_NAME,
    ),
]
San = Annotated[str, _text(rf"(\*\.)?{DNS_NAME}", "a DNS name or an IPv4 address", most=253)]
Image = Annotated[str, _text(r"\S+", "the name of an image")]
Interval = Annotated[
    str, _text(r"([1-9][0-9]{0,3}[smh]|never)", "a length of time such as 30m or 1h, or never")
]
# The original wrote its port as a string.
NodePort = Annotated[
    Annotated[int, Meta(ge=NODE_PORTS[0], le=NODE_PORTS[1])]
    | Annotated[str, _text(r"3[0-2][0-9]{3}", "digits")],
    Meta(title=f"a port from {NODE_PORTS[0]} to {NODE_PORTS[1]}"),
]


class Cni(StrEnum):
    """Who gives pods their network."""

    FLANNEL = "flannel"
    NONE = "none"


class ProxyMode(StrEnum):
    """How kube-proxy programs Services."""

    NFTABLES = "nftables"
    IPTABLES = "iptables"


class KeyAlgorithm(StrEnum):
    """Private keys that are made anew."""

    ECDSA_P256 = "ECDSA-P256"
    RSA_2048 = "RSA-2048"


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the configuration file."""


class Bootstrap(Section, frozen=True):
    """The bootstrap control plane."""

    manifests_path: Annotated[
        AbsolutePath, Meta(description="The kubelet's folder of static pods.")
    ] = "/etc/kubernetes/manifests"


class Certificates(Section, frozen=True):
    """Certificates that are not the cluster's own, and how new keys are made."""

    ca_path: Annotated[
        AbsolutePath,
        Meta(description="The host's folder of public CAs; API servers see it, read-only."),
    ] = "/etc/ssl/certs"
    key_algorithm: Annotated[KeyAlgorithm, Meta(description="What private keys are made of.")] = (
        KeyAlgorithm.ECDSA_P256
    )


class Secrets(Section, frozen=True):
    """The cluster's own certificates and keys."""

    path: Annotated[
        AbsolutePath, Meta(description="The folder of certificates, keys and kubeconfigs.")
    ] = "/etc/kubernetes/pki"


ExtraArgs = Annotated[
    dict[str, str],
    Meta(description="More flags, without the dashes; they win over our defaults."),
]


class Mount(Section, frozen=True):
    """What a pod sees of its host, under the same path."""

    path: AbsolutePath
    writable: bool = False


@readable
class Pod(Section, frozen=True):
    """A program that runs in a pod."""

    extra_args: ExtraArgs = field(default_factory=dict)
    extra_mounts: Annotated[
        tuple[
            Annotated[Mount, Meta(title='{ path = "/…", writable = true or false }')],
            ...,
        ],
        Meta(
            description="What its pod sees of the host, under the same path, read-only unless "
            "`writable`; files that flags name are seen by themselves."
        ),
    ] = ()


class Kubelet(Section, frozen=True):
    """The kubelet."""

    config_file: Annotated[
        AbsolutePath,
        Meta(description="The environment file that the kubelet's unit reads."),
    ] = "/etc/kubernetes/kubelet.env"
    extra_args: ExtraArgs = field(default_factory=dict)


class Etcd(Section, frozen=True):
    """etcd."""

    config_file: Annotated[
        AbsolutePath, Meta(description="The environment file that etcd's unit reads.")
    ] = "/etc/kubernetes/etcd.env"
    config_path: Annotated[
        AbsolutePath, Meta(description="The folder of etcd's own certificates and keys.")
    ] = "/etc/kubernetes/pki/etcd"
    snapshot_interval: Annotated[
        Interval,
        Meta(description='How often the keeper takes a snapshot, or "never"; read when it starts.'),
    ] = "1h"
    extra_args: ExtraArgs = field(default_factory=dict)

    @property
    def snapshots_every(self) -> timedelta | None:
        """How often a snapshot is taken, None for never."""
        if self.snapshot_interval == "never":
            return None
        units = {"s": "seconds", "m": "minutes", "h": "hours"}
        number, unit = self.snapshot_interval[:-1], self.snapshot_interval[-1]
        return timedelta(**{units[unit]: int(number)})


class Net(Section, frozen=True):
    """Addresses inside the cluster."""

    cluster_cidr: Annotated[Network, Meta(description="The range of pod addresses.")] = (
        "10.244.0.0/16"
    )
    service_cluster_ip_range: Annotated[
        Network, Meta(description="The range of Service addresses.")
    ] = "10.96.0.0/12"
    apiserver_cluster_ip: Annotated[
        Address | UnsetType,
        Meta(description="The API's Service address; by default the first of the range."),
    ] = UNSET
    dns_cluster_ip: Annotated[
        Address | UnsetType,
        Meta(description="The cluster DNS's Service address; by default the tenth of the range."),
    ] = UNSET
    cluster_domain: Annotated[DnsName, Meta(description="The DNS domain of Services.")] = (
        "cluster.local"
    )
    cni: Annotated[
        Cni, Meta(description='"flannel", or "none" to bring a network of your own.')
    ] = Cni.FLANNEL
    proxy_mode: Annotated[
        ProxyMode | UnsetType,
        Meta(description="By default nftables where the kernel has it (5.13), else iptables."),
    ] = UNSET

    @property
    def apiserver_ip(self) -> IPv4Address:
        """The API's Service address."""
        return self._chosen(self.apiserver_cluster_ip, 1)

    @property
    def dns_ip(self) -> IPv4Address:
        """The cluster DNS's Service address."""
        return self._chosen(self.dns_cluster_ip, 10)

    def _chosen(self, asked: str | UnsetType, n: int) -> IPv4Address:
        if asked:
            return IPv4Address(asked)
        return IPv4Network(self.service_cluster_ip_range, strict=False)[n]


class Node(Section, frozen=True):
    """This host as a node."""

    name: Annotated[
        NodeName | UnsetType, Meta(description="By default the host's name, in lower case.")
    ] = UNSET
    address: Annotated[
        Address | UnsetType, Meta(description="By default the one of the default route.")
    ] = UNSET
    probe_network: Annotated[
        bool,
        Meta(
            description="Whether the keeper has an address among the node's pods, from which it "
            "tries what they would reach."
        ),
    ] = True


class ApiServer(Pod, frozen=True):
    """The API server."""

    extra_sans: Annotated[
        tuple[San, ...],
        Meta(description="More names and addresses for its certificate."),
    ] = ()


class ControllerManager(Pod, frozen=True):
    """The controller-manager."""


class Scheduler(Pod, frozen=True):
    """The scheduler."""


class Proxy(Pod, frozen=True):
    """kube-proxy, on every node."""


class Kubeception(Section, frozen=True):
    """kubeception itself, inside the cluster."""

    image: Annotated[
        Image | UnsetType,
        Meta(description="Its image, used as written; by default the bundle's own."),
    ] = UNSET
    nodeport: Annotated[
        NodePort,
        Meta(description="The port on every node where joining hosts knock."),
    ] = 30000

    @property
    def join_port(self) -> int:
        """The NodePort as a number; the original wrote it as a string."""
        return int(self.nodeport)


@readable
class Config(Section, frozen=True):
    """The whole configuration file; the smallest one is empty."""

    version: Annotated[
        int, Meta(ge=1, le=1, title="1", description="The version of this format.")
    ] = 1
    bootstrap: Bootstrap = Bootstrap()
    certificates: Certificates = Certificates()
    secrets: Secrets = Secrets()
    kubelet: Kubelet = field(default_factory=Kubelet)
    etcd: Etcd = field(default_factory=Etcd)
    net: Net = Net()
    node: Node = Node()
    apiserver: ApiServer = field(default_factory=ApiServer)
    controller_manager: ControllerManager = field(default_factory=ControllerManager)
    scheduler: Scheduler = field(default_factory=Scheduler)
    proxy: Proxy = field(default_factory=Proxy)
    kubeception: Kubeception = Kubeception()

    @property
    def layout(self) -> Layout:
        """Every path on the host, by this configuration."""
        return _layout(
            secrets=self.secrets.path,
            environment=self.kubelet.config_file,
            manifests=self.bootstrap.manifests_path,
            etcd=self.etcd.config_file,
            etcd_pki=self.etcd.config_path,
            public_cas=self.certificates.ca_path,
        )


@functools.lru_cache(maxsize=8)  # it is asked for a thousand times in a run
def _layout(
    *, secrets: str, environment: str, manifests: str, etcd: str, etcd_pki: str, public_cas: str
) -> Layout:
    folder = Path(secrets)
    return Layout(
        pki=PkiPaths.under(folder, Path(etcd_pki)),
        kubelet=KubeletPaths(environment=Path(environment), manifests=Path(manifests)),
        etcd=EtcdPaths(environment=Path(etcd)),
        kubeconfig_bootstrap=folder / "kubeconfig-bootstrap",
        kubeconfig_cluster=folder / "kubeconfig",
        public_cas=Path(public_cas),
    )
