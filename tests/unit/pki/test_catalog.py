"""The table of certificates says what kubeadm's does, and every path in it is used once."""

from datetime import timedelta

from tests.fixed import CONFIG, HOST

from kubeception.config import Config
from kubeception.config.model import ApiServer, Etcd, Net, Secrets
from kubeception.pki import catalog
from kubeception.pki.catalog import CertificateSpec, Entry, Use

SERVER, CLIENT, BOTH = {Use.SERVER}, {Use.CLIENT}, {Use.SERVER, Use.CLIENT}

# Certificate: common name, organization, uses.
WANTED: dict[str, tuple[str, str | None, set[Use]]] = {
    "apiserver": ("kube-apiserver", None, SERVER),
    "apiserver-kubelet-client": ("kube-apiserver-kubelet-client", None, CLIENT),
    "front-proxy-client": ("front-proxy-client", None, CLIENT),
    "apiserver-etcd-client": ("kube-apiserver-etcd-client", None, CLIENT),
    "etcd/server": ("cp1", None, BOTH),
    "etcd/peer": ("cp1", None, BOTH),
    "etcd/healthcheck-client": ("kube-etcd-healthcheck-client", None, CLIENT),
    "admin": ("kubernetes-admin", "kubeadm:cluster-admins", CLIENT),
    "controller-manager": ("system:kube-controller-manager", None, CLIENT),
    "scheduler": ("system:kube-scheduler", None, CLIENT),
    "keeper": ("kubeception:keeper:cp1", "kubeception:keepers", CLIENT),
    "kubelet-client": ("system:node:cp1", "system:nodes", CLIENT),
    "kubelet-server": ("system:node:cp1", "system:nodes", SERVER),
    "join": ("kubeception-join", None, SERVER),
}
CAS = {
    "ca": "kubernetes",
    "front-proxy-ca": "front-proxy-ca",
    "etcd/ca": "etcd-ca",
    "join-ca": "kubeception-join-ca",
    "kubelet-serving-ca": "kubelet-serving-ca",
}


def table(config: Config = CONFIG) -> dict[str, Entry]:
    """Return the rows by the stem of their path."""
    folder = config.layout.pki.folder
    return {
        str(entry.at.certificate.relative_to(folder).with_suffix("")): entry
        for entry in catalog.entries(config, HOST.node, HOST.address)
    }


def names(spec: CertificateSpec) -> set[str]:
    return {*spec.dns_names, *map(str, spec.addresses)}


def test_subjects_and_uses_are_kubeadms() -> None:
    found = {
        name: (entry.spec.common_name, entry.spec.organization, set(entry.spec.uses))
        for name, entry in table().items()
        if not entry.spec.is_ca
    }

    assert found == WANTED


def test_cas_come_first_and_sign_themselves() -> None:
    rows = list(table().items())

    assert {name: entry.spec.common_name for name, entry in rows[: len(CAS)]} == CAS
    for name, entry in rows:
        assert entry.spec.is_ca == (name in CAS) == (entry.issuer is None)


def test_issuers_come_before_what_they_sign_and_each_path_is_used_once() -> None:
    entries = list(table().values())
    paths = [path for entry in entries for path in (entry.at.certificate, entry.at.key)]

    assert len(paths) == len(set(paths))
    for index, entry in enumerate(entries):
        assert entry.issuer is None or entry.issuer in [before.at for before in entries[:index]]


def test_each_ca_signs_for_its_own_circle() -> None:
    at = CONFIG.layout.pki
    signed = {name: entry.issuer for name, entry in table().items() if entry.issuer}

    assert {name for name, ca in signed.items() if ca == at.front_proxy_ca} == {
        "front-proxy-client"
    }
    assert {name for name, ca in signed.items() if ca == at.join_ca} == {"join"}
    assert {name for name, ca in signed.items() if ca == at.kubelet_serving_ca} == {
        "kubelet-server"
    }
    assert {name for name, ca in signed.items() if ca == at.etcd_ca} == {
        "apiserver-etcd-client",
        "etcd/server",
        "etcd/peer",
        "etcd/healthcheck-client",
    }


def test_servers_are_named_by_whatever_they_are_called() -> None:
    rows = table()
    service = {"kubernetes", "kubernetes.default", "kubernetes.default.svc"}

    assert names(rows["apiserver"].spec) == {
        *service,
        "kubernetes.default.svc.cluster.local",
        *("cp1", "localhost", "10.96.0.1", str(HOST.address), "127.0.0.1", "::1"),
    }
    member = {"cp1", "localhost", str(HOST.address), "127.0.0.1", "::1"}
    assert names(rows["etcd/server"].spec) == names(rows["etcd/peer"].spec) == member
    assert names(rows["kubelet-server"].spec) == {"cp1", str(HOST.address)}
    assert {"cp1", str(HOST.address), "127.0.0.1"} <= names(rows["join"].spec)


def test_the_users_names_and_ranges_are_in_the_api_servers_certificate() -> None:
    config = Config(
        net=Net(service_cluster_ip_range="172.30.0.0/20", cluster_domain="example.internal"),
        apiserver=ApiServer(extra_sans=("api.example.com", "198.51.100.7", "cp1")),
    )
    spec = table(config)["apiserver"].spec

    assert {"kubernetes.default.svc.example.internal", "api.example.com"} < set(spec.dns_names)
    assert {"172.30.0.1", "198.51.100.7"} < set(map(str, spec.addresses))
    assert len(spec.dns_names) == len(set(spec.dns_names))


def test_leaves_live_a_year_and_cas_ten() -> None:
    for entry in table().values():
        assert entry.spec.lifetime == timedelta(days=3650 if entry.spec.is_ca else 365)


def test_the_superuser_is_beyond_rbac_and_short_lived() -> None:
    spec = catalog.superuser(timedelta(minutes=10))

    assert (spec.organization, set(spec.uses)) == ("system:masters", CLIENT)
    assert spec.lifetime == timedelta(minutes=10)
    assert "system:masters" not in {entry.spec.organization for entry in table().values()}


def test_each_row_is_called_by_its_path() -> None:
    pki = CONFIG.layout.pki

    called = [catalog.name(pki, entry.at) for entry in table().values()]
    assert len(called) == len(set(called))
    assert {"ca", "etcd/ca", "apiserver", "etcd/server", "kubelet-client"} < set(called)
    assert catalog.names(CONFIG) == called[len(CAS) :]


def test_what_can_be_renewed_has_the_same_names_wherever_it_lies() -> None:
    elsewhere = Config(secrets=Secrets(path="/srv/pki"), etcd=Etcd(config_path="/srv/etcd-pki"))

    assert catalog.names(elsewhere) == catalog.names(CONFIG)
