"""Take a host back: what bootstrap wants, wanted gone, the last thing first.

What is ours is read from bootstrap's own plans, so a phase that is added there is undone here. Only
what the cluster's programs made of a host themselves is listed. All of it goes before the files by
which the host is known as ours, so that a run that was killed goes on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from kubeception.config import Config
from kubeception.config.model import Cni
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.kept import identity
from kubeception.layout import Layout
from kubeception.phases import pki
from kubeception.phases.etcd import ETCD, MEMBER
from kubeception.render import etcd, flannel, keeper, kubelet, proxy
from kubeception.resources import Resource
from kubeception.resources.absent import (
    NoFolder,
    NoLink,
    NoTable,
    NoUnit,
    StoppedUnit,
    WhereOurs,
)
from kubeception.resources.credential import KubeletCredential
from kubeception.resources.door import NO_DOOR, Door
from kubeception.resources.file import File
from kubeception.resources.foreign_data import NoOtherData
from kubeception.resources.keypair import KeyPair, ServiceAccountKey
from kubeception.resources.kubelet_serving import ServingCas
from kubeception.resources.pod_folder import PodFolder
from kubeception.resources.pods import NoPods
from kubeception.resources.unit import Unit

# What a kubelet keeps in its folder, besides the pods' own and its settings; and of each folder,
# should it be a link or a mount point, what in it is surely the kubelet's.
_KUBELETS_OWN: dict[str, tuple[str, ...]] = {
    "actuated_pods_state": (),
    "allocated_pods_state": (),
    "checkpoints": (),
    "cpu_manager_state": (),
    "device-plugins": ("*.sock", "kubelet_internal_checkpoint*"),
    "dra_manager_state": (),
    "image_manager": (),
    "memory_manager_state": (),
    "pki": ("kubelet*",),
    "plugins": ("kubernetes.io",),
    "plugins_registry": ("*.sock",),
    "pod-resources": ("*.sock",),
    "pods-api": ("*.sock",),
}
# Volumes that all pods of a node share are mounted there, and nowhere else but in pods' folders.
_PLUGINS = "plugins"
# What a member has in its folder; each of these may lie on a disk of its own.
_MEMBERS_OWN = ("member", "member/snap", "member/wal")


def phases(bootstrap: Sequence[Phase], *, etcds: bool, pkis: bool) -> Iterator[Phase]:
    """Yield what undoes a bootstrap; etcd with its data, and the certificates, only if asked."""
    yield STOP
    yield PODS
    yield NETWORK
    yield KUBELET_STATE
    if etcds or pkis:
        yield STOP_ETCD
    if etcds:
        yield FORGET
        yield ETCD_DATA
    elif pkis:
        yield FORGET_KEYS
    for phase in reversed(bootstrap):
        if etcds or phase not in {ETCD, MEMBER}:
            yield _undone(phase)
    if pkis:
        yield CERTIFICATES
    if etcds:
        yield FORGET_SETTINGS
    yield FOLDERS


def stop(config: Config, _facts: Facts) -> Iterator[Resource]:
    """Want neither keeper nor kubelet to run: each would bring back what is ended."""
    for unit in (keeper.UNIT, kubelet.UNIT):
        yield WhereOurs(config.layout.kubelet.environment, StoppedUnit(unit))


def pods(config: Config, _facts: Facts) -> Iterator[Resource]:
    """Want no pod of the cluster."""
    at = config.layout.kubelet
    yield WhereOurs(at.environment, NoPods(at.state / "pods"))


def network(config: Config, _facts: Facts) -> Iterator[Resource]:
    """Want nothing of what kube-proxy and flannel made of this host."""
    gone: list[Resource] = [NoTable(*table) for table in proxy.TABLES]
    if config.net.cni is Cni.FLANNEL:
        gone += [File(config.layout.cni.settings / flannel.PLUGIN, None)]
        gone += [NoTable(*table) for table in flannel.TABLES]
        gone += [NoLink(link) for link in flannel.LINKS]
        gone += [NoFolder(folder, own=own) for folder, own in flannel.FOLDERS.items()]
    for one in gone:
        yield WhereOurs(config.layout.kubelet.environment, one)


def kubelet_state(config: Config, _facts: Facts) -> Iterator[Resource]:
    """Want nothing of what the kubelet keeps, such as a client certificate of its own."""
    at = config.layout.kubelet
    for name, own in _KUBELETS_OWN.items():
        folder = NoFolder(at.state / name, own=own, mounts=name == _PLUGINS)
        yield WhereOurs(at.environment, folder)


def stop_etcd(config: Config, _facts: Facts) -> Iterator[Resource]:
    """Want no etcd to run: without its data or its certificates it can't."""
    yield WhereOurs(config.layout.etcd.environment, StoppedUnit(etcd.UNIT))


def forget(config: Config, _facts: Facts) -> Iterator[Resource]:
    """Want no record of the data that are to go: before them, or what is left would look lost."""
    at = config.layout
    yield WhereOurs(at.etcd.environment, NoOtherData(etcd.UNIT, at.etcd.data))
    for path in (at.member, at.progress, at.default_roles):
        yield File(path, None)
    yield _no_revisions(at)


def forget_keys(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want a record that knows no CA and no key, where there is one."""
    known = facts.host.identity
    if known and known.is_legible:
        kept = replace(known, authorities={}, signing=(), service_account="")
        yield File(config.layout.member, identity.text(kept), mode=0o600)


def etcd_data(config: Config, _facts: Facts) -> Iterator[Resource]:
    """Want none of the cluster's objects, nor of their snapshots."""
    at = config.layout
    for folder in (
        NoFolder(at.etcd.data, own=_MEMBERS_OWN),
        NoFolder(at.snapshots, own=("*.db", "*.db.json")),
    ):
        yield WhereOurs(at.etcd.environment, folder)


def certificates(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want no certificate and no key; the last one is the one that nobody but us makes.

    Backwards, so that a CA is there as long as anything that it signed: without, bootstrap would
    refuse what a reset that was killed has left.
    """
    join_ca = config.layout.pki.join_ca
    paths: list[Path] = []
    for wanted in pki.plan(config, facts):
        match wanted:
            case KeyPair(entry):
                paths += [entry.at.key, entry.at.certificate]
            case ServingCas(path):
                paths += [path]
            case ServiceAccountKey(key, public):
                paths += [key, public]
            case _:
                pass  # kubeconfigs went before
    paths.reverse()
    for path in sorted(paths, key=lambda path: path == join_ca.key):
        yield WhereOurs(join_ca.key, File(path, None), marked=False)


def folders(config: Config, _facts: Facts) -> Iterator[Resource]:
    """Want no folder of the keeper's, and none that only we had use for and that is empty now."""
    at = config.layout
    yield NoFolder(at.keeper, own=("paused", "*.json"))
    yield _no_revisions(at)
    yield File(at.default_roles, None)
    pki_folders = (at.pki.etcd_folder, at.pki.folder)
    ours = (at.kubelet.manifests, at.pods, *pki_folders)
    for folder in (*ours, at.kubernetes.admin.parent, at.revisions.parent):
        yield NoFolder(folder, if_empty=True)


def _no_revisions(at: Layout) -> Resource:
    return NoFolder(at.revisions, own=("*.json",))


def _undone(phase: Phase) -> Phase:
    """Return the phase that wants gone what another one wants."""

    def plan(config: Config, facts: Facts) -> Iterator[Resource]:
        # A kernel module that was loaded for us looks by now like one of the kernel's own, and a
        # program that had settings of ours may be gone.
        host = replace(facts.host, has_bridge_netfilter=False, has_network_manager=True)
        wanted = list(phase.plan(config, replace(facts, host=host)))
        files = {one.path for one in wanted if isinstance(one, File)}
        for one in reversed(wanted):
            yield from _opposite(one, config.layout, files)

    return Phase(f"no-{phase.name}", f"undoing {phase.name}", plan, module=phase.module)


def _opposite(wanted: Resource, at: Layout, files: set[Path]) -> Iterator[Resource]:
    match wanted:
        case File(path, content) if content is not None and path.parent != at.units:
            yield File(path, None, if_ours=True)
        case Unit(name) if at.units / name in files:
            yield NoUnit(name, at.units / name)
        case PodFolder(folder):
            yield NoFolder(folder.path, own=("*",))
        case KubeletCredential():
            yield from _no_credential(at)
        case Door():
            yield NO_DOOR
        case _:
            pass  # what lies in etcd or among the images stays or goes with them


def _no_credential(at: Layout) -> Iterator[Resource]:
    """Want nothing of what a join gave; the file that makes a host a worker goes last."""
    kubelets = NoFolder(at.kubelet.pki, own=_KUBELETS_OWN[at.kubelet.pki.name])
    yield WhereOurs(at.membership, kubelets, marked=False)
    for path in (at.pki.kubelet_serving_cas, at.pki.ca.certificate):
        yield WhereOurs(at.membership, File(path, None), marked=False)
    yield File(at.kubelet.join_request, None)
    yield File(at.kubelet.join_key, None)
    yield File(at.cluster, None)
    yield File(at.membership, None)
    yield NoFolder(at.membership.parent, if_empty=True)


STOP = Phase("stop", "stopping the keeper and the kubelet", stop)
PODS = Phase("pods", "ending the pods of the cluster", pods)
NETWORK = Phase("network", "removing the network of the pods", network)
KUBELET_STATE = Phase("kubelet-state", "removing what the kubelet kept", kubelet_state)
STOP_ETCD = Phase("stop-etcd", "stopping etcd", stop_etcd, module="etcd")
FORGET = Phase("forget", "forgetting whose data this host has", forget, module="etcd")
# Last: until then it says in which folders the cluster's keys lie.
FORGET_SETTINGS = Phase(
    "forget-settings",
    "forgetting what the cluster went by",
    lambda config, _facts: [File(config.layout.cluster, None)],
)
FORGET_KEYS = Phase("forget-keys", "forgetting which keys this host has", forget_keys, module="pki")
ETCD_DATA = Phase("etcd-data", "removing the data of etcd", etcd_data, module="etcd")
CERTIFICATES = Phase("certificates", "removing certificates and keys", certificates, module="pki")
FOLDERS = Phase("folders", "removing empty folders", folders, module="host")
