"""Read the facts of this host and its cluster; changes nothing."""

import json
import platform
from dataclasses import replace
from functools import cache
from pathlib import Path

from kubeception import conditions, membership, revisions, versions
from kubeception.errors import KubeceptionError
from kubeception.facts import Facts, Hosted
from kubeception.host import door, gateway, kernel, tree
from kubeception.kube import health
from kubeception.layout import LIBRARY, OUR_MARK
from kubeception.reach import DOOR_PORT, Reach
from kubeception.render import apiserver, etcd, revision
from kubeception.render.objects import CONTROL_PLANE, NAMESPACE

# kube-proxy's nftables mode wants this kernel (KEP-3866).
NFTABLES_KERNEL = (5, 13)

UNITS = ("etcd.service", "containerd.service", "kubelet.service")


def address(reach: Reach) -> str:
    """Return this host's address, as others know it.

    Raises:
        KubeceptionError: it has none that could be told.
    """
    found = reach.config.node.address or gateway.default_address()
    if not found:
        raise KubeceptionError(
            "there is no default route to take the node's address from",
            hint="set address in the [node] section of the configuration",
        )
    return found


def gather(reach: Reach, *, rebuild: bool = False) -> Facts:
    """Read the facts; `rebuild` asks for the temporary control plane even where it isn't needed.

    Raises:
        KubeceptionError: the host has no address that could be told to others.
    """
    of_host = host(reach)
    found = door.read()
    live = found.inside if found else 0
    ready = 0 if found else _ready_hosted(reach)
    answers = live > 0 and not health.not_ready(DOOR_PORT, reach.layout.pki.ca.certificate)
    hosted = _hosted(reach, live) if answers else None
    # Without its DaemonSet, a server that still answers is about to end.
    carries = live in apiserver.HOSTED_PORTS and hosted is not None
    is_led = answers and _are_held(reach)
    broken = revisions.broken(reach.layout.revisions)
    dead_leases = _dead_leases(reach) if answers else ()
    return replace(
        of_host,
        door=live,
        is_answered=answers,
        hosted=hosted,
        ready=ready,
        needs_api=rebuild or not (ready or carries),
        needs_controllers=rebuild or bool(dead_leases) or not is_led,
        dead_leases=dead_leases,
        etcd_uid=_etcd_uid(reach) if etcd.UNIT in of_host.foreign_units else None,
        is_led=is_led,
        proven=revisions.newest(reach.layout.revisions),
        refused=broken.settings if broken else "",
    )


def host(reach: Reach) -> Facts:
    """Read what is about the host itself; a worker has no more.

    Raises:
        KubeceptionError: the host has no address that could be told to others.
    """
    images = _images(reach)
    resolv_conf = _resolv_conf(reach)
    return Facts(
        node=node_name(reach),
        address=address(reach),
        images=images or {name: versions.image(name) for name in versions.COMPONENTS},
        archives={name: reach.config.layout.bundle / "images" / f"{name}.tar" for name in images},
        cgroup_version=kernel.cgroup_version(reach.host.inside),
        has_sys_resource=kernel.has_capability("SYS_RESOURCE"),
        has_bridge_netfilter=kernel.has_bridge_netfilter(),
        has_nftables_proxy=_kernel_version() >= NFTABLES_KERNEL,
        resolv_conf=str(resolv_conf),
        has_resolver=_names_a_server(reach.host.real(resolv_conf)),
        foreign_units=frozenset(unit for unit in UNITS if is_foreign(reach, unit)),
        image=_image() if reach.host.is_contained else "",
        membership=membership.read(reach.layout.membership),
    )


def node_name(reach: Reach) -> str:
    """Return what this host's Node is called."""
    return reach.config.node.name or reach.host.name.lower()


@cache
def _image() -> str:
    """Return what tells the file system of this container from one of another image."""
    return tree.identity(Path("/"), programs=Path("/usr"), library=LIBRARY)


def _images(reach: Reach) -> dict[str, str]:
    """Return the names of the bundle's images, by component."""
    try:
        images: dict[str, str] = json.loads((reach.layout.bundle / "bundle.json").read_text())[
            "images"
        ]
    except FileNotFoundError:
        return {}
    return images


def _hosted(reach: Reach, live: int) -> Hosted | None:
    """Return the hosted API server; `live` is the port behind the door, which answers."""
    try:
        found = reach.api.get("DaemonSet", apiserver.NAME, namespace=NAMESPACE)
    except KubeceptionError:
        return None
    if found is None:
        return None
    template = found["spec"]["template"]
    notes = template["metadata"].get("annotations", {})
    if apiserver.PORT_NOTE not in notes:
        return None
    port = int(notes[apiserver.PORT_NOTE])
    return Hosted(
        port,
        notes.get(apiserver.TEMPLATE_NOTE, ""),
        revision.identity(template),
        serves=port == live or not health.not_ready(port, reach.layout.pki.ca.certificate),
    )


def _ready_hosted(reach: Reach) -> int:
    """Return the port of a hosted API server that answers, 0 where none does."""
    ca = reach.layout.pki.ca.certificate
    ports = (port for port in apiserver.HOSTED_PORTS if not health.not_ready(port, ca))
    return next(ports, 0)


def _are_held(reach: Reach) -> bool:
    """Whether somebody holds both Leases and renews them."""
    return not any(
        conditions.current_problem(conditions.lease_held(lease), reach)
        for lease in conditions.LEASES
    )


def _dead_leases(reach: Reach) -> tuple[str, ...]:
    """Return the Leases whose holder is dead.

    Only a host that is alone can tell; with several, the holder may live on another.
    """
    try:
        if len(reach.api.list("Node", labels={CONTROL_PLANE: ""})) > 1:
            return ()
        return tuple(one for one in conditions.LEASES if conditions.dead_holder(reach, one))
    except KubeceptionError:
        return ()


def is_foreign(reach: Reach, unit: str) -> bool:
    """Whether the host has a unit of that name which we did not write."""
    ours = reach.layout.units / unit
    if ours.exists():
        return not ours.read_text().startswith(OUR_MARK)
    # systemd may know for a while a file of ours that is gone.
    found = reach.host.systemd.state(unit)
    return found.exists and Path(found.file) != reach.config.layout.units / unit


def _etcd_uid(reach: Reach) -> int | None:
    """Return whom the host's own etcd runs as, None where nobody tells."""
    try:
        user = reach.host.systemd.state(etcd.UNIT).user or "root"
        lines = reach.host.real(Path("/etc/passwd")).read_text().splitlines()
    except (KubeceptionError, FileNotFoundError):
        return None
    if user.isdigit():
        return int(user)
    uids = (int(line.split(":")[2]) for line in lines if line.startswith(f"{user}:"))
    return next(uids, None)


def _kernel_version() -> tuple[int, int]:
    major, minor = platform.release().split(".")[:2]
    return int(major), int(minor)


def _resolv_conf(reach: Reach) -> Path:
    """Return the resolver file that pods inherit; systemd-resolved's stub would be a loop."""
    real = Path("/run/systemd/resolve/resolv.conf")
    return real if reach.host.real(real).exists() else Path("/etc/resolv.conf")


def _names_a_server(resolv_conf: Path) -> bool:
    try:
        lines = resolv_conf.read_text().splitlines()
    except FileNotFoundError:
        return False
    return any(line.split()[:1] == ["nameserver"] for line in lines)
