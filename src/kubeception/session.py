"""What a run can reach: the host, its etcd, and the API behind the door."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from kubeception.config import Config, cluster
from kubeception.endpoints import API_PORT, ETCD_PORT, LOOPBACK, url
from kubeception.errors import KubeceptionError, Locked, PreflightError
from kubeception.etcd.client import EtcdClient
from kubeception.facts import Accept, Membership, Shared
from kubeception.host import lock, pause
from kubeception.host.gateway import Host, this_host
from kubeception.host.held_connections import HeldConnections
from kubeception.layout import Layout, Pair

if TYPE_CHECKING:
    from kubeception.kube.client import Api, Credential

SUPERUSER_LIFETIME = timedelta(minutes=10)


@dataclass
class Session:
    """The host and the clients of one run; clients open at first use and close with the block."""

    asked: Config
    """This host's own configuration."""
    host: Host = field(default_factory=this_host)
    force_conflicts: bool = False
    """Fields of ours that somebody else has changed are taken back."""
    accepted: frozenset[Accept] = frozenset()
    """What a person goes on in spite of."""
    is_renaming: bool = False
    """The host's name of today becomes its node's."""
    is_attended: bool = False
    """A person runs this: what has changed in the configuration changes the cluster's settings."""
    is_patient: bool = True
    """An API that doesn't answer is asked again for a while."""
    shared: Shared | None = None
    """What the API said of these on the connection at hand."""
    api_port: int = API_PORT
    """The door's, wherever there is a door."""
    api_url: str | None = None
    """Another host's API, for a host that has none: a worker."""
    client: Pair | None = None
    """Who asks the API; None is a superuser whose credential lives in memory alone."""
    etcd_port: int = ETCD_PORT
    """The member's, wherever it is ours."""
    held_connections: HeldConnections = field(default_factory=HeldConnections)
    """Who holds connections to the door while no server is there."""
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _api: "Api | None" = None
    _config: Config | None = None

    def __enter__(self) -> "Session":
        """Give itself."""
        self._open.enter_context(self.host.systemd)
        self._open.enter_context(self.held_connections)
        return self

    def __exit__(self, *_: object) -> None:
        """Close what was opened."""
        self._open.close()
        self._api = None

    @property
    def config(self) -> Config:
        """The configuration that counts: the cluster's part of it as this host's copy has it."""
        if self._config is None:
            copy = cluster.read(self.host.at(Layout.cluster))
            if copy is None:
                self._config = self.asked
            elif self.is_attended and not self.host.at(Layout.membership).exists():
                self._config = copy.with_changes(self.asked).over(self.asked)
            else:
                self._config = copy.settings.over(self.asked)
        return self._config

    @property
    def layout(self) -> Layout:
        """Every path, as this process sees it."""
        layout = self.config.layout
        return layout if str(self.host.root) == "/" else layout.at(self.host.root)

    @property
    def etcd_data(self) -> Path:
        """The folder of etcd's data, wherever links of the host lead."""
        return self.host.real(self.config.layout.etcd.data)

    @property
    def etcd(self) -> EtcdClient:
        """The local member, as its own health checker."""
        at = self.layout.pki
        client = at.etcd_healthcheck_client
        return EtcdClient(
            at.etcd_ca.certificate, client.certificate, client.key, port=self.etcd_port
        )

    @contextlib.contextmanager
    def locked(self, purpose: str, *, by_keeper: bool) -> Iterator[None]:
        """Hold the host's lock for the length of the block; the keeper, until a person wants it.

        Raises:
            Locked: somebody else is changing this host, or the keeper is to stand back.
        """
        with lock.hold(self.layout.lock, f"kubeception {purpose}", gives_way=by_keeper):
            if by_keeper and (said := pause.said(self.layout.keeper, self.host.clock.now())):
                raise Locked(f"the keeper is {said}")
            yield

    def as_kubelet(self, member: Membership) -> None:
        """Ask the API as this host's kubelet, where the cluster has said that it is: a worker."""
        own = self.layout.kubelet.renewed_client
        if (self.api_url, self.client) != (member.apiserver, Pair(own, own)):
            self.hang_up()
            self.api_url, self.client = member.apiserver, Pair(own, own)

    def require_control_plane(self) -> None:
        """Stop where this host is not one of a control plane, and never was.

        One that has lost of it what it had goes on: others say what that is.

        Raises:
            PreflightError: it is a worker, or in no cluster.
        """
        refuse_worker(self.host)
        at = self.layout
        had = (at.pki.ca.certificate, at.pki.ca.key, at.member, at.cluster)
        if not any(path.exists() for path in (*had, self.etcd_data / "member")):
            raise PreflightError(
                ["this host is in no cluster"],
                hint="kubeception bootstrap makes it a control-plane host",
            )

    @property
    def api(self) -> "Api":
        """The API behind the door."""
        if self._api is None:
            at = self.api_url or url(LOOPBACK, self.api_port)
            self._api = self._connected(at, self._open)
        return self._api

    @contextlib.contextmanager
    def api_on(self, port: int) -> "Iterator[Api]":
        """Give the API of this host's server on a port, wherever the door leads, for a block."""
        with contextlib.ExitStack() as stack:
            yield self._connected(url(LOOPBACK, port), stack)

    @contextlib.contextmanager
    def api_of_kubelet(self) -> "Iterator[Api]":
        """Give the API as this host's kubelet has it, for a block: who may write its own Node."""
        own = self.layout.kubelet.renewed_client
        client = Pair(own, own) if own.exists() else self.layout.pki.kubelet_client
        at = self.api_url or url(LOOPBACK, self.api_port)
        with contextlib.ExitStack() as stack:
            yield self._connected(at, stack, client)

    def hang_up(self) -> None:
        """Have the next request to the API open a new connection: a standing one stays where it is.

        So once the door has turned, requests go where it leads now.
        """
        self.shared = self._config = None
        if self._api is not None:
            self._api.close()
            self._api = None

    def _connected(
        self, url: str, stack: contextlib.ExitStack, client: Pair | None = None
    ) -> "Api":
        from kubeception.kube.client import RETRY_S, Api, Credential

        client = client or self.client
        if client is None:
            credential = stack.enter_context(self._superuser())
        else:
            credential = Credential(client.certificate, client.key)
        ca, retry_s = self.layout.pki.ca.certificate, RETRY_S if self.is_patient else 0.0
        api = Api(url, ca, credential, retry_s=retry_s)
        stack.callback(api.close)
        return api

    @contextlib.contextmanager
    def _superuser(self) -> "Iterator[Credential]":
        from kubeception.kube.client import in_memory
        from kubeception.pki import catalog, issue

        ca = self.layout.pki.ca
        try:
            signer = issue.Signer(ca.certificate.read_bytes(), ca.key.read_bytes())
        except FileNotFoundError as error:
            refuse_worker(self.host)
            raise KubeceptionError(
                f"{error.filename}: no such file", hint="kubeception bootstrap makes it"
            ) from error
        key = issue.new_key(self.config.certificates.key_algorithm)
        spec = catalog.superuser(SUPERUSER_LIFETIME)
        now = self.host.clock.now()
        try:
            certificate = issue.certificate(spec, key, signer=signer, now=now)
        except (ValueError, TypeError) as error:
            raise KubeceptionError(
                f"{ca.certificate}, {ca.key}: not a CA and its key", hint="kubeception preflight"
            ) from error
        with in_memory(certificate, key) as credential:
            yield credential


@contextlib.contextmanager
def on_control_plane(asked: Config, *, is_attended: bool = False) -> Iterator[Session]:
    """Give a run for a block, on a host of a control plane alone.

    Raises:
        PreflightError: this host is a worker, or in no cluster.
    """
    with Session(asked, is_attended=is_attended) as session:
        session.require_control_plane()
        yield session


def refuse_worker(host: Host) -> None:
    """Stop on a worker, which has no part of a control plane.

    Raises:
        PreflightError: this host is one.
    """
    if host.at(Layout.membership).exists():
        raise PreflightError(["this host is a worker"], hint="do it on a control-plane host")
