"""What all checks look at: read once, by one thread, since D-Bus is one conversation."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kubeception import versions
from kubeception.config import Config
from kubeception.endpoints import API_PORT, HOSTED_PORTS, Address
from kubeception.errors import KubeceptionError
from kubeception.gather import UNITS, chosen_address, is_foreign, node_name
from kubeception.host import door, kernel
from kubeception.host.systemd import UnitState
from kubeception.kube import health
from kubeception.layout import Layout
from kubeception.session import Session
from kubeception.versions import Release


@dataclass(frozen=True)
class HostState:
    """A host as preflight finds it.

    `release` is that of its bundle. `no_systemd` is why systemd could not be asked; then nothing is
    known of units. `foreign` are units of the host's own. `address` is None where there is none to
    be found, `live` the port that the door leads to while an API answers there, 0 for none.
    `is_worker` says what it is to be.
    """

    session: Session
    release: Release = versions.BUILT_IN
    is_root: bool = True
    no_systemd: KubeceptionError | None = None
    units: Mapping[str, UnitState] = field(default_factory=dict)
    foreign: frozenset[str] = frozenset()
    node: str = ""
    address: Address | None = None
    live: int = 0
    rebuild: bool = False
    is_worker: bool = False

    @property
    def config(self) -> Config:
        """What the user asks for."""
        return self.session.config

    @property
    def layout(self) -> Layout:
        """Every path, as this process sees it."""
        return self.session.layout

    @property
    def is_without_ranges(self) -> bool:
        """Whether the cluster's ranges are not known here: a host that is to join is told them."""
        return self.is_worker and not self.layout.cluster.exists()

    @property
    def is_carried(self) -> bool:
        """Whether a hosted API server serves, and this run would leave it so."""
        return self.live in HOSTED_PORTS and not self.rebuild


def inspect(session: Session, *, rebuild: bool = False, worker: bool = False) -> HostState:
    """Look at a host that is to be a control-plane one or a worker.

    `rebuild` says that the run to come goes the whole way.
    """
    units: dict[str, UnitState] = {}
    foreign: frozenset[str] = frozenset()
    no_systemd = None
    try:
        units = {unit: session.host.systemd.state(unit) for unit in UNITS}
        foreign = frozenset(unit for unit in UNITS if is_foreign(session, unit))
    except KubeceptionError as error:
        no_systemd = error
    return HostState(
        session,
        release=versions.of(session.layout.bundle),
        is_root=kernel.is_root(),
        no_systemd=no_systemd,
        units=units,
        foreign=foreign,
        node=node_name(session),
        address=chosen_address(session),
        live=0 if worker else _live_port(session),
        rebuild=rebuild,
        is_worker=worker,
    )


def _live_port(session: Session) -> int:
    try:
        found = door.read()
    except KubeceptionError:  # no nft
        return 0
    if not found or not found.inside:
        return 0
    is_silent = health.problem(API_PORT, session.layout.pki.ca.certificate)
    return 0 if is_silent else found.inside
