"""Every certificate of a control-plane host: its name, its issuer, what it may be used for.

Names, organisations and uses are kubeadm's (https://kubernetes.io/docs/setup/best-practices/certificates/).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv6Address, ip_address

from kubeception.config import Config
from kubeception.config.names import of_keeper, of_kubelet
from kubeception.endpoints import LOOPBACK, Address
from kubeception.layout import Pair, PkiPaths
from kubeception.pki.request import NODES

_LOOPBACK_6 = IPv6Address("::1")
LEAF_LIFETIME = timedelta(days=365)
# A leaf that has less than this left is renewed by whoever comes by.
RENEWED_WITHIN = timedelta(days=30)
CA_LIFETIME = timedelta(days=3650)

# What a person calls the certificates that a kubelet got by itself.
KUBELETS_OWN = "kubelet-client-current"
KUBELETS_OWN_SERVER = "kubelet-server-current"

ADMINS = "kubeadm:cluster-admins"
KEEPERS = "kubeception:keepers"


class Use(StrEnum):
    """What a certificate is good for (RFC 5280, extended key usage)."""

    CA = "CA"
    SERVER = "server"
    CLIENT = "client"


class Read(StrEnum):
    """When who uses a certificate reads its file again; upstream's code, as of 1.37, says so."""

    # A person's kubectl, or kubeception itself.
    EACH_RUN = "at each run"
    # etcd, as a server and as a client, and the API server as etcd's client (client/pkg/transport/
    # listener.go: GetCertificate and GetClientCertificate read the files).
    EACH_CONNECTION = "at each connection"
    # What the API server and the kubelet serve with, and the aggregator's client: fsnotify, and a
    # look every minute (apiserver/pkg/server/dynamiccertificates/dynamic_serving_content.go; for
    # the kubelet by its gate ReloadKubeletServerCertificateFile, on by default since 1.31). And the
    # keeper's own, at which it looks with all else (keeper/watch.py).
    WHEN_IT_CHANGES = "when it changes"
    # Clients of client-go that were given files: standing connections are closed, too
    # (client-go/transport/cert_rotation.go: CertCallbackRefreshDuration).
    WITHIN_MINUTES = "within five minutes"
    # The kubelet's client, which it renews through the API by itself, in a file of its own
    # (client-go/util/certificate/certificate_store.go: Current); and our own join service. These
    # are started anew.
    AT_START = "at its start"


@dataclass(frozen=True)
class CertificateSpec:
    """What a certificate says; its validity starts when it is issued."""

    common_name: str
    uses: frozenset[Use]
    organization: str | None = None
    dns_names: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    lifetime: timedelta = LEAF_LIFETIME

    @property
    def is_ca(self) -> bool:
        """Whether it signs others."""
        return Use.CA in self.uses


@dataclass(frozen=True)
class Entry:
    """One row of the table: where a pair lies, what it says, whose key signs it, who reads it when.

    `read` is about leaves; what a CA is for is read in many ways, and none is ever replaced.
    """

    at: Pair
    spec: CertificateSpec
    issuer: Pair | None = None
    read: Read = Read.AT_START


def entries(config: Config, node: str, address: Address) -> Iterator[Entry]:
    """Yield every certificate of a control-plane host, issuers first."""
    at = config.layout.pki
    yield Entry(at.ca, _ca("kubernetes"))
    yield Entry(at.front_proxy_ca, _ca("front-proxy-ca"))
    yield Entry(at.etcd_ca, _ca("etcd-ca"))
    yield Entry(at.join_ca, _ca("kubeception-join-ca"))
    yield Entry(at.kubelet_serving_ca, _ca("kubelet-serving-ca"))

    wanted = apiserver(config, node, address)
    yield Entry(at.apiserver, wanted, at.ca, Read.WHEN_IT_CHANGES)
    wanted = _client("kube-apiserver-kubelet-client")
    yield Entry(at.apiserver_kubelet_client, wanted, at.ca, Read.WITHIN_MINUTES)
    wanted = _client("front-proxy-client")
    yield Entry(at.front_proxy_client, wanted, at.front_proxy_ca, Read.WHEN_IT_CHANGES)
    wanted = _client("kube-apiserver-etcd-client")
    yield Entry(at.apiserver_etcd_client, wanted, at.etcd_ca, Read.EACH_CONNECTION)

    member = _both(node, (node, "localhost"), (address, LOOPBACK, _LOOPBACK_6))
    yield Entry(at.etcd_server, member, at.etcd_ca, Read.EACH_CONNECTION)
    yield Entry(at.etcd_peer, member, at.etcd_ca, Read.EACH_CONNECTION)
    wanted = _client("kube-etcd-healthcheck-client")
    yield Entry(at.etcd_healthcheck_client, wanted, at.etcd_ca, Read.EACH_RUN)

    yield Entry(at.admin, _client("kubernetes-admin", ADMINS), at.ca, Read.EACH_RUN)
    wanted = _client("system:kube-controller-manager")
    yield Entry(at.controller_manager, wanted, at.ca, Read.WITHIN_MINUTES)
    yield Entry(at.scheduler, _client("system:kube-scheduler"), at.ca, Read.WITHIN_MINUTES)
    wanted = _client(of_keeper(node), KEEPERS)
    yield Entry(at.keeper, wanted, at.ca, Read.WHEN_IT_CHANGES)
    yield Entry(at.kubelet_client, kubelet_client(node), at.ca, Read.AT_START)
    wanted = kubelet_server(node, address)
    yield Entry(at.kubelet_server, wanted, at.kubelet_serving_ca, Read.WHEN_IT_CHANGES)
    wanted = _server("kubeception-join", (node,), (address, LOOPBACK))
    yield Entry(at.join, wanted, at.join_ca, Read.AT_START)


def leaves(config: Config, node: str, address: Address) -> Iterator[tuple[Entry, Pair]]:
    """Yield every certificate that another one signs, with the pair of that one."""
    for entry in entries(config, node, address):
        if entry.issuer is not None:
            yield entry, entry.issuer


def name(pki: PkiPaths, pair: Pair) -> str:
    """Return what a person calls a pair: `apiserver`, `etcd/server`."""
    stem = pair.certificate.stem
    return f"etcd/{stem}" if pair.certificate.parent == pki.etcd_folder else stem


def names(config: Config) -> list[str]:
    """Return the names of all leaves."""
    table = leaves(config, "", LOOPBACK)
    return [name(config.layout.pki, entry.at) for entry, _ in table]


def apiserver(config: Config, node: str, address: Address) -> CertificateSpec:
    """Return what the API server's certificate says: every name it is called by."""
    names = [
        node,
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        f"kubernetes.default.svc.{config.net.cluster_domain}",
    ]
    addresses: list[Address] = [config.net.apiserver_ip, address, LOOPBACK, _LOOPBACK_6]
    for extra in config.apiserver.extra_sans:
        if at := _address(extra):
            addresses.append(at)
        else:
            names.append(extra)
    return _server("kube-apiserver", tuple(dict.fromkeys(names)), tuple(dict.fromkeys(addresses)))


def kubelet_client(node: str) -> CertificateSpec:
    """Return what a kubelet's client certificate says, as the CSR API would sign it."""
    return _client(of_kubelet(node), NODES)


def kubelet_server(node: str, address: Address) -> CertificateSpec:
    """Return what a kubelet's serving certificate says, as the CSR API would sign it."""
    user = of_kubelet(node)
    return CertificateSpec(user, frozenset({Use.SERVER}), NODES, (node,), (address,))


def superuser(lifetime: timedelta) -> CertificateSpec:
    """Return a client beyond RBAC, for the first apply; it is never written to a disk."""
    return CertificateSpec(
        "kubeception-bootstrap", frozenset({Use.CLIENT}), "system:masters", lifetime=lifetime
    )


def _ca(name: str) -> CertificateSpec:
    return CertificateSpec(name, frozenset({Use.CA}), dns_names=(name,), lifetime=CA_LIFETIME)


def _client(name: str, organization: str | None = None) -> CertificateSpec:
    return CertificateSpec(name, frozenset({Use.CLIENT}), organization)


def _server(
    name: str, dns_names: tuple[str, ...], addresses: tuple[Address, ...]
) -> CertificateSpec:
    return CertificateSpec(name, frozenset({Use.SERVER}), None, dns_names, addresses)


def _both(name: str, dns_names: tuple[str, ...], addresses: tuple[Address, ...]) -> CertificateSpec:
    return CertificateSpec(name, frozenset({Use.SERVER, Use.CLIENT}), None, dns_names, addresses)


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:  # a name
        return None
