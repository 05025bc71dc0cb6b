"""Every path on a host, in one typed tree.

Paths follow kubeadm unless a distro profile says otherwise. A tree under another root (`at`) serves
tests, and a container that sees the host's files at a mount point.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

# The first line of every file on a host that could be taken for somebody else's.
OUR_MARK = "# Written by kubeception; changes are overwritten.\n"

# How kubeception runs in its own image, and where that wants the host's file system.
HOST_VARIABLE = "KUBECEPTION_HOST"
MOUNTED_HOST = Path("/host")
LIBRARY = Path("/opt/kubeception/lib/python")
IMAGE_COMMAND = ("/usr/bin/python3", "-P", "-m", "kubeception")
IMAGE_ENVIRONMENT = {
    "PYTHONPATH": str(LIBRARY),
    "PYTHONDONTWRITEBYTECODE": "1",
    HOST_VARIABLE: str(MOUNTED_HOST),
}
# What Python goes by: set for programs of others, one of these is not for ours. Nor is it taken by
# a flag, since a process of ours starts others.
PYTHON_VARIABLES = tuple(
    f"PYTHON{name}"
    for name in (
        *("ASYNCIODEBUG", "BREAKPOINT", "CASEOK", "COERCECLOCALE", "DEBUG", "DEVMODE"),
        *("DONTWRITEBYTECODE", "DUMPREFS", "EXECUTABLE", "FAULTHANDLER", "HASHSEED", "HOME"),
        *("INSPECT", "INTMAXSTRDIGITS", "IOENCODING", "MALLOC", "MALLOCSTATS", "NODEBUGRANGES"),
        *("NOUSERSITE", "OPTIMIZE", "PATH", "PERFSUPPORT", "PLATLIBDIR", "PROFILEIMPORTTIME"),
        *("PYCACHEPREFIX", "SAFEPATH", "STARTUP", "TRACEMALLOC", "UNBUFFERED", "USERBASE", "UTF8"),
        *("VERBOSE", "WARNDEFAULTENCODING", "WARNINGS"),
        *("_BASIC_REPL", "_COLORS", "_CPU_COUNT", "_FROZEN_MODULES", "_GIL", "_HISTORY"),
    )
)


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key."""

    certificate: Path
    key: Path

    @classmethod
    def named(cls, stem: Path) -> "Pair":
        """Return `<stem>.crt` and `<stem>.key`."""
        return cls(stem.with_name(f"{stem.name}.crt"), stem.with_name(f"{stem.name}.key"))


@dataclass(frozen=True)
class PkiPaths:
    """Certificates and keys; names are kubeadm's."""

    folder: Path
    etcd_folder: Path
    ca: Pair
    front_proxy_ca: Pair
    etcd_ca: Pair
    join_ca: Pair
    kubelet_serving_ca: Pair
    apiserver: Pair
    apiserver_kubelet_client: Pair
    apiserver_etcd_client: Pair
    front_proxy_client: Pair
    etcd_server: Pair
    etcd_peer: Pair
    etcd_healthcheck_client: Pair
    join: Pair
    admin: Pair
    controller_manager: Pair
    scheduler: Pair
    keeper: Pair
    kubelet_client: Pair
    kubelet_server: Pair
    kubelet_serving_cas: Path
    service_account_key: Path
    service_account_public: Path

    @classmethod
    def under(cls, folder: Path, etcd_folder: Path) -> "PkiPaths":
        """Return the tree of a PKI folder and etcd's own one."""

        def pair(name: str) -> Pair:
            return Pair.named(folder / name)

        return cls(
            folder=folder,
            etcd_folder=etcd_folder,
            ca=pair("ca"),
            front_proxy_ca=pair("front-proxy-ca"),
            etcd_ca=Pair.named(etcd_folder / "ca"),
            join_ca=pair("join-ca"),
            kubelet_serving_ca=pair("kubelet-serving-ca"),
            apiserver=pair("apiserver"),
            apiserver_kubelet_client=pair("apiserver-kubelet-client"),
            apiserver_etcd_client=pair("apiserver-etcd-client"),
            front_proxy_client=pair("front-proxy-client"),
            etcd_server=Pair.named(etcd_folder / "server"),
            etcd_peer=Pair.named(etcd_folder / "peer"),
            etcd_healthcheck_client=Pair.named(etcd_folder / "healthcheck-client"),
            join=pair("join"),
            admin=pair("admin"),
            controller_manager=pair("controller-manager"),
            scheduler=pair("scheduler"),
            keeper=pair("keeper"),
            kubelet_client=pair("kubelet-client"),
            kubelet_server=pair("kubelet-server"),
            kubelet_serving_cas=folder / "kubelet-serving-ca-bundle.crt",
            service_account_key=folder / "sa.key",
            service_account_public=folder / "sa.pub",
        )


@dataclass(frozen=True)
class KubernetesPaths:
    """What lies in /etc/kubernetes."""

    admin: Path = Path("/etc/kubernetes/admin.conf")
    controller_manager: Path = Path("/etc/kubernetes/controller-manager.conf")
    scheduler: Path = Path("/etc/kubernetes/scheduler.conf")
    kubelet: Path = Path("/etc/kubernetes/kubelet.conf")


@dataclass(frozen=True)
class KubeletPaths:
    """The kubelet's own files."""

    settings: Path = Path("/var/lib/kubelet/config.yaml")
    environment: Path = Path("/etc/kubernetes/kubelet.env")
    state: Path = Path("/var/lib/kubelet")
    manifests: Path = Path("/etc/kubernetes/manifests")
    pod_logs: Path = Path("/var/log/pods")

    @property
    def renewed_client(self) -> Path:
        """The client certificate with its key that the kubelet got by itself."""
        return self.pki / "kubelet-client-current.pem"

    @property
    def renewed_server(self) -> Path:
        """What a worker's kubelet serves with, and its key; it got them by itself, too."""
        return self.pki / "kubelet-server-current.pem"

    @property
    def reissued_server(self) -> Path:
        """What that one, a symlink, leads to where we have asked for it."""
        return self.pki / "kubelet-server-reissued.pem"

    @property
    def pki(self) -> Path:
        """Where the kubelet keeps its certificates."""
        return self.state / "pki"

    @property
    def join_key(self) -> Path:
        """The key that a host joins with; there until it has joined."""
        return self.pki / "kubelet-client-join.key"

    @property
    def join_request(self) -> Path:
        """The certificate request that a host joins with; there until it has joined."""
        return self.pki / "kubelet-client-join.csr"

    @property
    def reissued_client(self) -> Path:
        """What that one, a symlink, leads to where the kubelet could not get it and we gave it."""
        return self.state / "pki" / "kubelet-client-reissued.pem"


@dataclass(frozen=True)
class EtcdPaths:
    """etcd's files."""

    environment: Path = Path("/etc/kubernetes/etcd.env")
    state: Path = Path("/var/lib/etcd")

    @property
    def data(self) -> Path:
        """What the member itself keeps there."""
        return self.state / "default.etcd"


@dataclass(frozen=True)
class ContainerdPaths:
    """containerd's files, where it is ours."""

    settings: Path = Path("/etc/containerd/config.toml")
    socket: Path = Path("/run/containerd/containerd.sock")
    state: Path = Path("/var/lib/containerd")


@dataclass(frozen=True)
class CniPaths:
    """Network plugins."""

    settings: Path = Path("/etc/cni/net.d")
    plugins: Path = Path("/opt/cni/bin")


@dataclass(frozen=True)
class Layout:
    """Everything that kubeception reads or writes on a host."""

    pki: PkiPaths
    kubernetes: KubernetesPaths = KubernetesPaths()
    kubelet: KubeletPaths = KubeletPaths()
    etcd: EtcdPaths = EtcdPaths()
    containerd: ContainerdPaths = ContainerdPaths()
    cni: CniPaths = CniPaths()
    crictl: Path = Path("/etc/crictl.yaml")
    etcdctl: Path = Path("/etc/kubernetes/etcdctl.env")
    kubeconfig_bootstrap: Path = Path("/etc/kubernetes/pki/kubeconfig-bootstrap")
    kubeconfig_cluster: Path = Path("/etc/kubernetes/pki/kubeconfig")
    pods: Path = Path("/etc/kubernetes/kubeception")
    """A folder for each control-plane component: copies of the files that it may see."""
    units: Path = Path("/etc/systemd/system")
    sysctl: Path = Path("/etc/sysctl.d/60-kubeception.conf")
    modules: Path = Path("/etc/modules-load.d/kubeception.conf")
    networkd: Path = Path("/etc/systemd/network/00-kubeception.network")
    network_manager: Path = Path("/etc/NetworkManager/conf.d/zz-kubeception.conf")
    """It adds to what files say that are read before it; one that is read after it would win."""
    reloaded: Path = Path("/run/kubeception/reloaded")
    """A file for each unit that was told to read its settings anew, since the boot."""
    config: Path = Path("/etc/kubeception/config.toml")
    steps: Path = Path("/etc/kubeception/steps.d")
    """Programs of the host's administrator, which the cluster may have it run by their names."""
    membership: Path = Path("/etc/kubeception/join.json")
    member: Path = Path("/etc/kubeception/member.json")
    progress: Path = Path("/var/lib/kubeception/etcd-progress.json")
    cluster: Path = Path("/var/lib/kubeception/cluster.json")
    lock: Path = Path("/run/kubeception/lock")
    keeper: Path = Path("/run/kubeception/keeper")
    reboot_required: Path = Path("/var/run/reboot-required")
    """By this a distribution's package manager says so."""
    revisions: Path = Path("/var/lib/kubeception/revisions")
    default_roles: Path = Path("/var/lib/kubeception/default-roles.json")
    snapshots: Path = Path("/var/lib/kubeception/snapshots")
    snapshots_lock: Path = Path("/run/kubeception/snapshots.lock")
    backups_lock: Path = Path("/run/kubeception/backups.lock")
    tmpfiles: Path = Path("/etc/tmpfiles.d/kubeception.conf")
    bundles: Path = Path("/opt/kubeception")
    launchers: Path = Path("/usr/local/bin")
    public_cas: Path = field(default=Path("/etc/ssl/certs"))

    @property
    def bundle(self) -> Path:
        """The bundle in use."""
        return self.bundles / "current"

    @property
    def made(self) -> frozenset[Path]:
        """Every certificate, key and kubeconfig that kubeception makes."""
        return frozenset((*_paths(self.pki), *_paths(self.kubernetes)))

    def image(self, identity: str) -> Path:
        """The file system of our image, which the keeper runs in on a host without Python."""
        return self.bundles / f"image-{identity}"

    def at(self, root: Path) -> "Layout":
        """Return the same tree under another root."""
        moved: Layout = _moved(self, root)
        return moved


def _paths(tree: Any) -> Iterator[Path]:
    if isinstance(tree, Path):
        yield tree
    else:
        for part in fields(tree):
            yield from _paths(getattr(tree, part.name))


def _moved(tree: Any, root: Path) -> Any:
    if isinstance(tree, Path):
        return root / tree.relative_to("/")
    return replace(tree, **{f.name: _moved(getattr(tree, f.name), root) for f in fields(tree)})
