"""Read the facts of this host and its cluster; changes nothing."""

import contextlib
import hashlib
import logging
import platform
import re
import secrets
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from msgspec import structs

from kubeception import authorities, conditions, identity, membership, revisions, versions
from kubeception.config import Config, cluster, flags
from kubeception.config.cluster import ClusterSettings
from kubeception.endpoints import API_PORT, HOSTED_PORTS
from kubeception.errors import ApiError, KubeceptionError
from kubeception.etcd import data
from kubeception.facts import ClusterFacts, Facts, Hosted, HostFacts, Identity, Shared, asked
from kubeception.host import door, gateway, kernel, network, tree
from kubeception.kube import health
from kubeception.layout import LIBRARY, OUR_MARK
from kubeception.pki import catalog, issue
from kubeception.pki.token import Role
from kubeception.reach import Reach
from kubeception.render import apiserver, cluster_settings, etcd, join_records, revision
from kubeception.render.objects import CONTROL_PLANE, NAMESPACE

log = logging.getLogger("kubeception.k8s")

# kube-proxy's nftables mode wants this kernel (KEP-3866).
NFTABLES_KERNEL = (5, 13)

UNITS = ("etcd.service", "containerd.service", "kubelet.service")


def address(reach: Reach) -> str:
    """Return this host's address, as others know it: it keeps one for as long as it has it.

    Raises:
        KubeceptionError: it has none that could be told.
    """
    found = chosen_address(reach)
    if not found:
        raise KubeceptionError(
            "there is no default route to take the node's address from",
            hint="set address in the [node] section of the configuration",
        )
    return found


def chosen_address(reach: Reach) -> str | None:
    """Return the address that is configured, or remembered and still there, or the best route's."""
    if reach.config.node.address:
        return reach.config.node.address
    known = remembered(reach).address
    return known if known and network.has_address(known) else gateway.default_address()


def remembered(reach: Reach) -> Identity:
    """Return by which name and address this host has gone; what nobody remembers is ""."""
    at = reach.layout
    if (known := identity.read(at.member)) and known.is_legible:
        return known
    member = membership.read(at.membership)
    if told := identity.of_settings(_text(at.etcd.environment)) if member is None else None:
        return told
    if member is None:
        return Identity()
    flags = _text(at.kubelet.environment)
    name, own = (
        re.search(rf"--{flag}=([^\s\"]+)", flags) for flag in ("hostname-override", "node-ip")
    )
    return Identity(node=name[1] if name else "", address=own[1] if own else "")


def changes(reach: Reach) -> Iterator[tuple[str, str]]:
    """Yield what differs from what this host goes by, and how it may go by that.

    It goes on under the name, the address and the cluster's settings that it has.
    """
    known, config = remembered(reach), reach.config.node
    own, best = reach.host.name.lower(), gateway.default_address()
    copy = cluster.read(reach.layout.cluster)
    if copy and not reach.layout.membership.exists():
        yield from _files_that_differ(reach, copy)
        asked_for = structs.replace(copy.asked, files=copy.settings.files)
        for name, there, here in cluster.differing(copy.settings, asked_for):
            yield (
                f"this host asks for {name} {here}, and its cluster goes by {there}",
                f"kubectl --namespace {NAMESPACE} edit configmap {cluster_settings.NAME}, or leave "
                "it so",
            )
    if known.node and not config.name and not reach.is_renaming and own != known.node:
        yield (
            f"this host is called {own!r} now, and goes on as node {known.node}",
            "kubeception bootstrap --rename, or set name in the [node] section",
        )
    if known.node and config.name and config.name != known.node:
        yield (
            f"node {known.node} becomes node {config.name}, by the [node] section",
            f"take name out of it to stay {known.node}",
        )
    if not known.address or config.address or not best or best == known.address:
        return
    if network.has_address(known.address):
        yield (
            f"the default route leads from {best} now, and this host goes on by {known.address}",
            "set address in the [node] section to change that",
        )
    else:
        yield (
            f"{known.address} is gone from this host, which goes on by {best}",
            "set address in the [node] section to change that",
        )


def gather(reach: Reach, *, rebuild: bool = False) -> Facts:
    """Read the facts; `rebuild` asks for the temporary control plane even where it isn't needed.

    Raises:
        KubeceptionError: the host has no address that could be told to others.
    """
    of_host = host(reach)
    found = door.read()
    live = found.inside if found else 0
    ready = 0 if found else _ready_hosted(reach)
    answers = live > 0 and not health.not_ready(API_PORT, reach.layout.pki.ca.certificate)
    of_cluster = cluster_of(reach, of_host, shared=shared(reach) if answers else Shared())
    hosted = _hosted(reach, of_host.node, live, of_cluster) if answers else None
    # Without its DaemonSet, a server that still answers is about to end.
    carries = live in HOSTED_PORTS and hosted is not None
    is_led = answers and _are_held(reach)
    broken = revisions.broken(reach.layout.revisions)
    known = remembered(reach)
    is_renamed = bool(known.former) or known.node not in {"", of_host.node}
    of_cluster = replace(of_cluster, hosted=hosted, is_led=is_led)
    # Only a host that is alone can tell; with several, the holder may live on another.
    is_alone = answers and not {*of_cluster.control_planes} - {of_host.node, known.node}
    of_cluster = replace(of_cluster, dead_leases=_dead_leases(reach) if is_alone else ())
    of_host = replace(
        with_belongings(of_host, reach),
        door=live,
        is_answered=answers,
        ready=ready,
        etcd_uid=_etcd_uid(reach) if etcd.UNIT in of_host.foreign_units else None,
        proven=revisions.newest(reach.layout.revisions, of_host.release),
        refused=broken.settings if broken else "",
    )
    return Facts(
        of_host,
        of_cluster,
        # Under another name no pod that runs here is this node's any more.
        needs_api=rebuild or is_renamed or not (ready or carries),
        needs_controllers=rebuild or is_renamed or bool(of_cluster.dead_leases) or not is_led,
        is_attended=reach.is_attended,
    )


def cluster_of(reach: Reach, of_host: HostFacts, *, shared: Shared | None = None) -> ClusterFacts:
    """Return what the cluster goes by, as its API says, or this host's copy, or else its own file.

    What a person has changed of that on this host is in it already.
    """
    told = shared or Shared()
    copy = cluster.read(reach.host.at(reach.asked.layout.cluster))
    asks = asked(reach.asked, of_host)
    there = told.settings or (copy.settings if copy else None)
    base = copy.asked if copy else None
    wanted = there or asks
    rolled_out, before = wanted.files, base.files if base else {}
    may_change = there is None or (reach.is_attended and of_host.membership is None)
    if may_change:
        wanted = cluster.settled(asks, base, wanted)
    files = dict(_digests(reach, wanted))
    if may_change:
        settled = cluster.settled_files(files, before, rolled_out)
        wanted = structs.replace(wanted, files=settled)
    elif base:
        # Whoever may not change them goes on asking for what was asked for before.
        asks, files = base, {**files, **before}
    former = remembered(reach).former
    others = {node: at for node, at in told.control_planes.items() if node != former}
    return ClusterFacts(
        wanted,
        told.settings,
        structs.replace(asks, files=files),
        {**others, of_host.node: of_host.address},
    )


def _files_that_differ(reach: Reach, copy: cluster.Copy) -> Iterator[tuple[str, str]]:
    for path, digest in _digests(reach, copy.settings):
        is_edited = copy.asked.files.get(path, digest) != digest
        if copy.settings.files.get(path) == digest or (is_edited and reach.is_attended):
            continue  # an edit is what a run by a person rolls out
        if is_edited:
            what = f"{path} has changed; kubeception bootstrap rolls it out"
            yield what, "kubeception bootstrap"
        else:
            what = f"{path} is not what the cluster goes by: it was rolled out from another host"
            yield what, "copy the file from the host that has it"


def _digests(reach: Reach, settings: ClusterSettings) -> Iterator[tuple[str, str]]:
    """Yield the digests of the files here that flags of the cluster's pods name."""
    of_pods = settings.over(Config())
    paths = {path for program in flags.IN_PODS for _, path in flags.brought(program, of_pods)}
    for path in sorted(paths):
        with contextlib.suppress(OSError):
            if (here := reach.host.real(path)).is_file():  # what never ends is none
                yield str(path), hashlib.sha256(here.read_bytes()).hexdigest()


def worker(reach: Reach) -> Facts:
    """Read a worker's facts; once it has joined, it asks its API as its own kubelet."""
    of_host = host(reach)
    told = None
    if member := of_host.membership:
        reach.as_kubelet(member)
        told = settings_for_worker(reach)
        if told is None and cluster.read(reach.layout.cluster) is None:
            # A cluster of an earlier version says no more than this.
            net = structs.replace(
                reach.asked.net,
                dns_cluster_ip=member.cluster_dns,
                cluster_domain=member.cluster_domain,
            )
            told = asked(structs.replace(reach.asked, net=net), of_host)
    return Facts(of_host, cluster_of(reach, of_host, shared=Shared(told)))


def settings_for_worker(reach: Reach) -> ClusterSettings | None:
    """Return the cluster's settings with this worker's own folders, None where none are told."""
    if reach.shared is None:
        with contextlib.suppress(ApiError):
            reach.shared = Shared(settings(reach))
    told = reach.shared and reach.shared.settings
    return told.with_paths_of(reach.asked) if told else None


def shared(reach: Reach) -> Shared:
    """Return what the API says of the cluster; read once for each connection.

    Raises:
        KubeceptionError: a person is about to change settings that can't be read.
    """
    if reach.shared is None:
        try:
            reach.shared = Shared(settings(reach), dict(_control_planes(reach)))
        except KubeceptionError as error:
            if isinstance(error, ApiError):
                return Shared()
            raise
    return reach.shared


def settings(reach: Reach) -> ClusterSettings | None:
    """Return the cluster's settings as its API has them, None where it has none that can be read.

    Raises:
        KubeceptionError: a person is about to change what can't be read.
        ApiError: the API can't be asked.
    """
    found = reach.api.get("ConfigMap", cluster_settings.NAME, namespace=NAMESPACE)
    if found is None:
        return None
    try:
        return cluster_settings.of(found)
    except ValueError as error:
        problem = f"ConfigMap {NAMESPACE}/{cluster_settings.NAME}: {error}"
        if reach.is_attended:
            hint = f"kubectl --namespace {NAMESPACE} delete configmap {cluster_settings.NAME}"
            raise KubeceptionError(problem, hint=f"{hint}: then it is written anew") from error
        log.warning("%s; going by this host's copy", problem)
        return None


def _control_planes(reach: Reach) -> Iterator[tuple[str, str]]:
    """Yield the control-plane nodes with their addresses, as their records have these.

    A Node says itself what its addresses are, and programs on it may; a record they can't write.
    """
    for node in reach.api.list("Node", labels={CONTROL_PLANE: ""}):
        name = node["metadata"]["name"]
        record = join_records.node_name(name)
        found = reach.api.get("ConfigMap", record, namespace=join_records.RECORDS)
        with contextlib.suppress(ValueError):
            known = join_records.to_node(found) if found else None
            if known and known.role is Role.CONTROL_PLANE and known.addresses:
                yield name, known.addresses[0]


def with_belongings(facts: HostFacts, reach: Reach) -> HostFacts:
    """Return facts with what this host remembers of its cluster, and what it has of it."""
    at = reach.config.layout
    certificates: dict[str, str] = {}
    signing = []
    for entry in authorities.entries(reach):
        name = catalog.name(at.pki, entry.at)
        pem = _text(reach.host.real(entry.at.certificate))
        if issue.is_certificate(pem.encode()):
            certificates[name] = pem
            if reach.host.real(entry.at.key).exists():
                signing.append(name)
    public = _text(reach.host.real(at.pki.service_account_public))
    known, _ = identity.recall(reach.host, at.member, at.etcd.environment)
    return replace(
        facts,
        identity=known,
        stored=data.stored(reach.etcd_data),
        authorities=certificates,
        signing=tuple(signing),
        service_account=public if issue.public_keys(public.encode()) else "",
        new_token=secrets.token_hex(16),
    )


def host(reach: Reach) -> HostFacts:
    """Read what is about the host itself.

    Raises:
        KubeceptionError: the host has no address that could be told to others.
    """
    bundle = versions.in_use(reach.layout.bundle)
    resolv_conf = _resolv_conf(reach)
    return HostFacts(
        node=node_name(reach),
        address=address(reach),
        release=bundle or versions.BUILT_IN,
        archives={
            name: reach.config.layout.bundle / "images" / f"{name}.tar"
            for name in (bundle.images if bundle else ())
        },
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
    """Return what this host's Node is called: another name of the host's later changes nothing."""
    own = reach.host.name.lower()
    if reach.config.node.name:
        return reach.config.node.name
    return own if reach.is_renaming else remembered(reach).node or own


@cache
def _image() -> str:
    """Return what tells the file system of this container from one of another image."""
    return tree.identity(Path("/"), programs=Path("/usr"), library=LIBRARY)


def _hosted(reach: Reach, node: str, live: int, of_cluster: ClusterFacts) -> Hosted | None:
    """Return the hosted API server; `live` is the port behind the door, which answers."""
    pods = []
    try:
        found = reach.api.get("DaemonSet", apiserver.NAME, namespace=NAMESPACE)
        if not of_cluster.is_single:  # a host that is alone knows its ports by its door
            pods = reach.api.list("Pod", namespace=NAMESPACE, labels=apiserver.LABELS)
    except KubeceptionError:
        return None
    if found is None:
        return None
    template = found["spec"]["template"]
    notes = template["metadata"].get("annotations", {})
    if apiserver.PORT_NOTE not in notes:
        return None
    port = int(notes[apiserver.PORT_NOTE])
    own = [pod for pod in pods if pod["spec"].get("nodeName") == node]
    return Hosted(
        port,
        notes.get(apiserver.TEMPLATE_NOTE, ""),
        revision.identity(template),
        serves=port == live or not health.not_ready(port, reach.layout.pki.ca.certificate),
        own=frozenset(map(revision.port_of, own)),
        taken=frozenset((live, *map(revision.port_of, pods))),
        refused=revisions.refused_by(found["metadata"]).settings,
    )


def _ready_hosted(reach: Reach) -> int:
    """Return the port of a hosted API server that answers, 0 where none does."""
    ca = reach.layout.pki.ca.certificate
    ports = (port for port in HOSTED_PORTS if not health.not_ready(port, ca))
    return next(ports, 0)


def _are_held(reach: Reach) -> bool:
    """Whether somebody holds both Leases and renews them."""
    return not any(
        conditions.current_problem(conditions.lease_held(lease), reach)
        for lease in conditions.LEASES
    )


def _dead_leases(reach: Reach) -> tuple[str, ...]:
    """Return the Leases whose holder is dead."""
    try:
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


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return ""


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
