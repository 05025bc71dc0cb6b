"""Every certificate of a control-plane host: its name, its issuer, what it may be used for.

Names, organisations and uses are kubeadm's (https://kubernetes.io/docs/setup/best-practices/certificates/).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address

from kubeception.config import Config
from kubeception.layout import Pair

LEAF_LIFETIME = timedelta(days=365)
CA_LIFETIME = timedelta(days=3650)

ADMINS = "kubeadm:cluster-admins"
KEEPERS = "kubeception:keepers"


class Use(StrEnum):
    """What a certificate is good for (RFC 5280, extended key usage)."""

    CA = "CA"
    SERVER = "server"
    CLIENT = "client"


@dataclass(frozen=True)
class Spec:
    """What a certificate says; its validity starts when it is issued."""

    common_name: str
    uses: frozenset[Use]
    organization: str | None = None
    dns_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    lifetime: timedelta = LEAF_LIFETIME

    @property
    def is_ca(self) -> bool:
        """Whether it signs others."""
        return Use.CA in self.uses


@dataclass(frozen=True)
class Entry:
    """One row of the table: where a pair lies, what it says, and whose key signs it."""

    at: Pair
    spec: Spec
    issuer: Pair | None = None


def entries(config: Config, node: str, address: str) -> Iterator[Entry]:
    """Yield every certificate of a control-plane host, issuers first."""
    at = config.layout.pki
    yield Entry(at.ca, _ca("kubernetes"))
    yield Entry(at.front_proxy_ca, _ca("front-proxy-ca"))
    yield Entry(at.etcd_ca, _ca("etcd-ca"))
    yield Entry(at.join_ca, _ca("kubeception-join-ca"))

    yield Entry(at.apiserver, apiserver(config, node, address), at.ca)
    yield Entry(at.apiserver_kubelet_client, _client("kube-apiserver-kubelet-client"), at.ca)
    yield Entry(at.front_proxy_client, _client("front-proxy-client"), at.front_proxy_ca)
    yield Entry(at.apiserver_etcd_client, _client("kube-apiserver-etcd-client"), at.etcd_ca)

    member = _both(node, (node, "localhost"), (address, "127.0.0.1", "::1"))
    yield Entry(at.etcd_server, member, at.etcd_ca)
    yield Entry(at.etcd_peer, member, at.etcd_ca)
    yield Entry(at.etcd_healthcheck_client, _client("kube-etcd-healthcheck-client"), at.etcd_ca)

    yield Entry(at.admin, _client("kubernetes-admin", ADMINS), at.ca)
    yield Entry(at.controller_manager, _client("system:kube-controller-manager"), at.ca)
    yield Entry(at.scheduler, _client("system:kube-scheduler"), at.ca)
    yield Entry(at.keeper, _client(f"kubeception:keeper:{node}", KEEPERS), at.ca)
    yield Entry(at.kubelet_client, _client(f"system:node:{node}", "system:nodes"), at.ca)
    yield Entry(at.kubelet_server, kubelet_server(node, address), at.ca)
    yield Entry(at.join, _server("kubeception-join", (node,), (address, "127.0.0.1")), at.join_ca)


def apiserver(config: Config, node: str, address: str) -> Spec:
    """Return what the API server's certificate says: every name it is called by."""
    names = [
        node,
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        f"kubernetes.default.svc.{config.net.cluster_domain}",
    ]
    addresses = [config.net.apiserver_ip, address, "127.0.0.1", "::1"]
    for extra in config.apiserver.extra_sans:
        (addresses if _is_address(extra) else names).append(extra)
    return _server("kube-apiserver", tuple(dict.fromkeys(names)), tuple(dict.fromkeys(addresses)))


def kubelet_server(node: str, address: str) -> Spec:
    """Return what a kubelet's serving certificate says, as the CSR API would sign it."""
    return Spec(f"system:node:{node}", frozenset({Use.SERVER}), "system:nodes", (node,), (address,))


def superuser(lifetime: timedelta) -> Spec:
    """Return a client beyond RBAC, for the first apply; it is never written to a disk."""
    return Spec(
        "kubeception-bootstrap", frozenset({Use.CLIENT}), "system:masters", lifetime=lifetime
    )


def _ca(name: str) -> Spec:
    return Spec(name, frozenset({Use.CA}), dns_names=(name,), lifetime=CA_LIFETIME)


def _client(name: str, organization: str | None = None) -> Spec:
    return Spec(name, frozenset({Use.CLIENT}), organization)


def _server(name: str, dns_names: tuple[str, ...], addresses: tuple[str, ...]) -> Spec:
    return Spec(name, frozenset({Use.SERVER}), None, dns_names, addresses)


def _both(name: str, dns_names: tuple[str, ...], addresses: tuple[str, ...]) -> Spec:
    return Spec(name, frozenset({Use.SERVER, Use.CLIENT}), None, dns_names, addresses)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
