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
from ipaddress import ip_address
from pathlib import Path

from msgspec import structs

from kubeception import authorities, conditions, resolver, versions
from kubeception.conditions import upgrades
from kubeception.config import Config, cluster, flags
from kubeception.config.cluster import ClusterSettings
from kubeception.endpoints import API_PORT, HOSTED_PORTS, Address
from kubeception.errors import ConfigError, KubeceptionError
from kubeception.etcd import data
from kubeception.facts import ClusterFacts, Facts, Hosted, HostFacts, Identity, Shared, asked
from kubeception.host import door, gateway, kernel, network, tree
from kubeception.kept import identity, membership, revisions
from kubeception.kube import health
from kubeception.layout import LIBRARY, OUR_MARK
from kubeception.pki import catalog, issue
from kubeception.pki.token import Role
from kubeception.render import (
    apiserver,
    cluster_settings,
    etcd,
    join_records,
    network_manager,
    revision,
)
from kubeception.render.objects import NAMESPACE
from kubeception.session import Session

log = logging.getLogger("kubeception.k8s")

# kube-proxy's nftables mode wants this kernel (KEP-3866).
NFTABLES_KERNEL = (5, 13)

# Units that are to be gone after a boot.
UNTIL_BOOT = Path("/run/systemd/system")
UNITS = ("etcd.service", "containerd.service", "kubelet.service")


def address(session: Session) -> Address:
    """Return this host's address, as others know it: it keeps one for as long as it has it.

    Raises:
        KubeceptionError: it has none that could be told.
    """
    found = chosen_address(session)
    if not found:
        raise KubeceptionError(
            "there is no default route to take the node's address from",
            hint="set address in the [node] section of the configuration",
        )
    return found


def chosen_address(session: Session) -> Address | None:
    """Return the address that is configured, or remembered and still there, or the best route's."""
    if session.config.node.address:
        return ip_address(session.config.node.address)
    known = remembered(session).address
    return known if known and network.has_address(known) else gateway.default_address()


def remembered(session: Session) -> Identity:
    """Return by which name and address this host has gone; what nobody remembers is ""."""
    at = session.layout
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
    return Identity(node=name[1] if name else "", address=ip_address(own[1]) if own else None)


def changes(session: Session) -> Iterator[tuple[str, str]]:
    """Yield what differs from what this host goes by, and how it may go by that.

    It goes on under the name, the address and the cluster's settings that it has.
    """
    known, config = remembered(session), session.config.node
    own, best = session.host.name.lower(), gateway.default_address()
    copy = cluster.read(session.layout.cluster)
    if copy and not session.layout.membership.exists():
        yield from _files_that_differ(session, copy)
        decided = ("files", "emulates")  # by no host's own file
        kept = {name: getattr(copy.settings, name) for name in decided}
        asked_for = structs.replace(copy.asked, **kept)
        if not copy.settings.forwards_names and resolver.has_server(session, copy.settings.net):
            yield (
                f"{resolver.file(session)} names a server by now, and the cluster's DNS forwards"
                " nothing to it; kubeception bootstrap rolls it out",
                "kubeception bootstrap",
            )
        for name, there, here in cluster.differing(copy.settings, asked_for):
            yield (
                f"this host asks for {name} {here}, and its cluster goes by {there}",
                f"kubectl --namespace {NAMESPACE} edit configmap {cluster_settings.NAME}, or leave "
                "it so",
            )
    if known.node and not config.name and not session.is_renaming and own != known.node:
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
            f"kubeception token create --rejoin {known.node}, on a control-plane host, prints how"
            if session.layout.membership.exists()
            else "set address in the [node] section to change that",
        )


def gather(session: Session, *, rebuild: bool = False) -> Facts:
    """Read the facts; `rebuild` asks for the temporary control plane even where it isn't needed.

    Raises:
        KubeceptionError: the host has no address that could be told to others.
    """
    of_host = host(session)
    found = door.read()
    live = found.inside if found else 0
    ready = 0 if found else _ready_hosted(session)
    answers = live > 0 and not health.problem(API_PORT, session.layout.pki.ca.certificate)
    of_cluster = cluster_of(session, of_host, shared(session) if answers else Shared())
    hosted = _hosted(session, of_host.node, live, of_cluster) if answers else None
    # Without its DaemonSet, a server that still answers is about to end.
    carries = live in HOSTED_PORTS and hosted is not None
    has_leaders = answers and _are_held(session)
    broken = revisions.broken(session.layout.revisions)
    known = remembered(session)
    is_renamed = bool(known.former) or known.node not in {"", of_host.node}
    emulates = emulated(session, of_cluster, hosted, bundle=of_host.release.version)
    of_cluster = replace(
        of_cluster,
        settings=structs.replace(of_cluster.settings, emulates=emulates),
        hosted=hosted,
        has_leaders=has_leaders,
    )
    # Only a host that is alone can tell; with several, the holder may live on another.
    is_alone = answers and not {*of_cluster.control_planes} - {of_host.node, known.node}
    of_cluster = replace(of_cluster, dead_leases=_dead_leases(session) if is_alone else ())
    of_host = replace(
        with_belongings(of_host, session),
        door=live,
        api_answers=answers,
        ready=ready,
        etcd_uid=_etcd_uid(session) if etcd.UNIT in of_host.foreign_units else None,
        proven=revisions.newest(session.layout.revisions, of_host.release),
        refused=broken.settings if broken else "",
    )
    return Facts(
        of_host,
        of_cluster,
        # Under another name no pod that runs here is this node's any more.
        needs_api=rebuild or is_renamed or not (ready or carries),
        needs_controllers=rebuild or is_renamed or bool(of_cluster.dead_leases) or not has_leaders,
        is_attended=session.is_attended,
    )


def cluster_of(session: Session, of_host: HostFacts, told: Shared) -> ClusterFacts:
    """Return what the cluster goes by, as its API says, or this host's copy, or else its own file.

    What a person has changed of that on this host is in it already.
    """
    copy = cluster.read(session.layout.cluster)
    asks = asked(session.asked, of_host)
    there = cluster.followed(told.settings, copy) if told.settings else None
    there = there or (copy.settings if copy else None)
    base = copy.asked if copy else None
    wanted = there or asks
    rolled_out, before = wanted.files, base.files if base else {}
    may_change = there is None or (session.is_attended and of_host.membership is None)
    if may_change:
        wanted = cluster.settled(asks, base, wanted)
    files = dict(_digests(session, wanted))
    if may_change:
        settled = cluster.settled_files(files, before, rolled_out)
        wanted = structs.replace(wanted, files=settled)
    elif base:
        # Whoever may not change them goes on asking for what was asked for before.
        asks, files = base, {**files, **before}
    former = remembered(session).former
    others = {node: at for node, at in told.control_planes.items() if node != former}
    return ClusterFacts(
        wanted,
        told.settings,
        structs.replace(asks, files=files),
        {**others, of_host.node: of_host.address},
        copied=copy.settings if copy else None,
    )


def emulated(
    session: Session, of_cluster: ClusterFacts, hosted: Hosted | None, *, bundle: str
) -> str:
    """Return the minor that the control plane is to pass for, "" for its own.

    The one before, while an upgrade may be gone back from; and then until an API server of the
    release has proven itself on this host, for that is what would be put back. By hand a release
    is gone to for good. `bundle` is the one that this host has in use.
    """
    there, wanted = of_cluster.before, of_cluster.settings
    before = there or wanted
    if versions.numbers(before.oldest) >= versions.numbers(wanted.release.minor):
        return ""
    if there is None:
        return before.oldest
    brings = bundle if there.release.minor != wanted.release.minor else None
    kubernetes = wanted.release.kubernetes
    try:
        is_open = upgrades.may_be_gone_back_from(session.api, kubernetes, brings=brings)
    except KubeceptionError:
        is_open = True
    if is_open:
        return before.oldest
    # One that was put back to is proven, too, and of the release before.
    if hosted is None or hosted.image != wanted.release.images.get(apiserver.NAME):
        return before.emulates
    kept = {one.proven.revision for one in revisions.kept(session.layout.revisions)}
    return "" if hosted.revision in kept else before.emulates


def _files_that_differ(session: Session, copy: cluster.Copy) -> Iterator[tuple[str, str]]:
    for path, digest in _digests(session, copy.settings):
        is_edited = copy.asked.files.get(path, digest) != digest
        if copy.settings.files.get(path) == digest or (is_edited and session.is_attended):
            continue  # an edit is what a run by a person rolls out
        if is_edited:
            what = f"{path} has changed; kubeception bootstrap rolls it out"
            yield what, "kubeception bootstrap"
        else:
            what = f"{path} is not what the cluster goes by: it was rolled out from another host"
            yield what, "copy the file from the host that has it"


def _digests(session: Session, settings: ClusterSettings) -> Iterator[tuple[str, str]]:
    """Yield the digests of the files here that flags of the cluster's pods name."""
    of_pods = settings.over(Config())
    paths = {path for program in flags.IN_PODS for _, path in flags.brought(program, of_pods)}
    for path in sorted(paths):
        with contextlib.suppress(OSError):
            if (here := session.host.real(path)).is_file():  # what never ends is none
                yield str(path), hashlib.sha256(here.read_bytes()).hexdigest()


def worker(session: Session) -> Facts:
    """Read a worker's facts; once it has joined, it asks its API as its own kubelet."""
    of_host = host(session)
    told = None
    if member := of_host.membership:
        session.as_kubelet(member)
        told = settings_for_worker(session)
        if told is None and cluster.read(session.layout.cluster) is None:
            # A cluster of an earlier version says no more than this.
            net = structs.replace(
                session.asked.net,
                dns_cluster_ip=member.cluster_dns,
                cluster_domain=member.cluster_domain,
            )
            told = asked(structs.replace(session.asked, net=net), of_host)
    return Facts(of_host, cluster_of(session, of_host, Shared(told)))


def settings_for_worker(session: Session) -> ClusterSettings | None:
    """Return the cluster's settings with this worker's own folders, None where none are told."""
    if session.shared is None:
        with contextlib.suppress(KubeceptionError):
            session.shared = Shared(settings(session))
    told = session.shared and session.shared.settings
    return told.with_paths_of(session.asked) if told else None


def shared(session: Session) -> Shared:
    """Return what the API says of the cluster; read once for each connection.

    Raises:
        ConfigError: a person is about to change settings that can't be read.
    """
    if session.shared is None:
        try:
            session.shared = Shared(settings(session), dict(control_planes(session)))
        except ConfigError:
            raise
        except KubeceptionError:  # with a CA that is gone, say, nobody can be asked
            return Shared()
    return session.shared


def settings(session: Session) -> ClusterSettings | None:
    """Return the cluster's settings as its API has them, None where it has none that can be read.

    Raises:
        ConfigError: a person is about to change what can't be read.
        KubeceptionError: the API can't be asked.
    """
    found = session.api.get("ConfigMap", cluster_settings.NAME, namespace=NAMESPACE)
    if found is None:
        return None
    try:
        return cluster_settings.of(found)
    except ValueError as error:
        problem = f"ConfigMap {NAMESPACE}/{cluster_settings.NAME}: {error}"
        if session.is_attended:
            hint = f"kubectl --namespace {NAMESPACE} delete configmap {cluster_settings.NAME}"
            raise ConfigError([problem], hint=f"{hint}: then it is written anew") from error
        log.warning("%s; going by this host's copy", problem)
        return None


def control_planes(session: Session) -> Iterator[tuple[str, Address]]:
    """Yield the control plane's hosts with their addresses, by the records that no Node can write.

    What a Node says of itself, programs that run on it may have written.
    """
    of_hosts = join_records.CONTROL_PLANES
    found = session.api.list("ConfigMap", namespace=join_records.RECORDS, labels=of_hosts)
    for known in join_records.nodes(found):
        if known.role is Role.CONTROL_PLANE and known.addresses:
            yield known.node, known.addresses[0]


def with_belongings(facts: HostFacts, session: Session) -> HostFacts:
    """Return facts with what this host remembers of its cluster, and what it has of it."""
    at = session.config.layout
    certificates: dict[str, str] = {}
    signing = []
    for entry in authorities.entries(session):
        name = catalog.name(at.pki, entry.at)
        pem = _text(session.host.real(entry.at.certificate))
        if issue.is_certificate(pem.encode()):
            certificates[name] = pem
            if session.host.real(entry.at.key).exists():
                signing.append(name)
    public = _text(session.host.real(at.pki.service_account_public))
    known, _ = identity.recall(session.host, at.member, at.etcd.environment)
    return replace(
        facts,
        identity=known,
        stored=data.stored(session.etcd_data),
        authorities=certificates,
        signing=tuple(signing),
        service_account=public if issue.public_keys(public.encode()) else "",
        new_token=secrets.token_hex(16),
    )


def host(session: Session) -> HostFacts:
    """Read what is about the host itself.

    Raises:
        KubeceptionError: the host has no address that could be told to others.
    """
    bundle = versions.in_use(session.layout.bundle)
    return HostFacts(
        node=node_name(session),
        address=address(session),
        release=bundle or versions.BUILT_IN,
        archives={
            name: session.config.layout.bundle / "images" / f"{name}.tar"
            for name in (bundle.images if bundle else ())
        },
        cgroup_version=kernel.cgroup_version(session.host.inside),
        has_sys_resource=kernel.has_capability("SYS_RESOURCE"),
        has_bridge_netfilter=kernel.has_bridge_netfilter(),
        has_network_manager=session.host.at(network_manager.SETTINGS).is_dir(),
        has_nftables_proxy=has_nftables_proxy(),
        resolv_conf=str(resolver.file(session)),
        has_resolver=resolver.has_server(session, session.config.net),
        foreign_units=frozenset(unit for unit in UNITS if is_foreign(session, unit)),
        image=_image() if session.host.is_contained else "",
        membership=membership.read(session.layout.membership),
    )


def node_name(session: Session) -> str:
    """Return what this host's Node is called: another name of the host's later changes nothing."""
    own = session.host.name.lower()
    if session.config.node.name:
        return session.config.node.name
    return own if session.is_renaming else remembered(session).node or own


@cache
def _image() -> str:
    """Return what tells the file system of this container from one of another image."""
    return tree.identity(Path("/"), programs=Path("/usr"), library=LIBRARY)


def _hosted(session: Session, node: str, live: int, of_cluster: ClusterFacts) -> Hosted | None:
    """Return the hosted API server; `live` is the port behind the door, which answers."""
    pods = []
    try:
        found = session.api.get("DaemonSet", apiserver.NAME, namespace=NAMESPACE)
        if not of_cluster.is_single:  # a host that is alone knows its ports by its door
            pods = session.api.list("Pod", namespace=NAMESPACE, labels=apiserver.LABELS)
    except KubeceptionError:
        return None
    if found is None:
        return None
    template = found["spec"]["template"]
    notes = template["metadata"].get("annotations", {})
    if apiserver.PORT_NOTE not in notes:
        return None
    port = revision.port_of(template)
    own = [pod for pod in pods if pod["spec"].get("nodeName") == node]
    others = [pod for pod in pods if pod["spec"].get("nodeName") != node]
    return Hosted(
        port,
        notes.get(apiserver.TEMPLATE_NOTE, ""),
        revision.identity(template),
        revision.image_of(template),
        serves=port == live or not health.problem(port, session.layout.pki.ca.certificate),
        serves_elsewhere=any(
            revision.port_of(pod) == port and conditions.pod_serves(pod) for pod in others
        ),
        own=frozenset(
            revision.port_of(pod) for pod in own if "deletionTimestamp" not in pod["metadata"]
        ),
        taken=frozenset((live, *map(revision.port_of, pods))),
        refused=revisions.refused_by(found["metadata"]).settings,
    )


def _ready_hosted(session: Session) -> int:
    """Return the port of a hosted API server that answers, 0 where none does."""
    ca = session.layout.pki.ca.certificate
    ports = (port for port in HOSTED_PORTS if not health.problem(port, ca))
    return next(ports, 0)


def _are_held(session: Session) -> bool:
    """Whether somebody holds both Leases and renews them."""
    return not any(
        conditions.current_problem(conditions.lease_held(lease), session)
        for lease in conditions.LEASES
    )


def _dead_leases(session: Session) -> tuple[str, ...]:
    """Return the Leases whose holder is dead."""
    try:
        return tuple(one for one in conditions.LEASES if conditions.dead_holder(session, one))
    except KubeceptionError:
        return ()


def is_foreign(session: Session, unit: str) -> bool:
    """Whether the host has a unit of that name which we did not write; a masked one is none."""
    if mask_of(session, unit):
        return False
    ours = session.layout.units / unit
    if ours.exists():
        return not ours.read_text().startswith(OUR_MARK)
    # systemd may know for a while a file of ours that is gone.
    found = session.host.systemd.state(unit)
    return found.exists and Path(found.file) != session.config.layout.units / unit


def mask_of(session: Session, unit: str) -> Path | None:
    """Return the link that has systemd take a unit for none, as the host calls it."""
    for folder in (session.config.layout.units, UNTIL_BOOT):
        at = session.host.at(folder / unit)
        if at.is_symlink() and at.readlink() == Path("/dev/null"):
            return folder / unit
        if at.exists():  # which counts more
            return None
    return None


def _etcd_uid(session: Session) -> int | None:
    """Return whom the host's own etcd runs as, None where nobody tells."""
    try:
        user = session.host.systemd.state(etcd.UNIT).user or "root"
        lines = session.host.real(Path("/etc/passwd")).read_text().splitlines()
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


def has_nftables_proxy() -> bool:
    """Tell whether this kernel is one whose nftables kube-proxy takes."""
    return _kernel_version() >= NFTABLES_KERNEL


def _kernel_version() -> tuple[int, int]:
    major, minor = platform.release().split(".")[:2]
    return int(major), int(minor)
