"""What belongs to this host's cluster, etcd's data and the CAs: there, and its own."""

from collections.abc import Iterator
from dataclasses import replace

from kubeception import authorities, versions
from kubeception import losses as lost
from kubeception.config import cluster
from kubeception.facts import Accept, Identity
from kubeception.kept import identity, revisions
from kubeception.kube import health
from kubeception.pki import catalog
from kubeception.preflight.finding import Finding, of_path, warning
from kubeception.preflight.host_state import HostState
from kubeception.render import etcd, revision


def losses(seen: HostState) -> Iterator[Finding]:
    """Want nothing lost that a run would make a second time, or take from another cluster."""
    if not seen.is_root:  # keys are for root alone to read
        return
    for loss in lost.look(seen.session):
        found = Finding(of_path("FileContent", loss.path), str(loss), loss.hint)
        yield replace(found, is_final=True)


def put_back(seen: HostState) -> Iterator[Finding]:
    """Tell of CA certificates that are gone and can be read elsewhere."""
    if not seen.is_root:
        return
    for entry in authorities.entries(seen.session):
        if found := authorities.lost_one(seen.session, entry):
            path = entry.at.certificate
            what = f"{path}: is gone; it is put back as {found[1]} has it"
            yield warning(of_path("FileContent", path), what, "kubeception bootstrap")


def without_keys(seen: HostState) -> Iterator[Finding]:
    """Tell of CAs that this host could sign for before, and can't any more."""
    if not seen.is_root:
        return
    known = identity.read(seen.layout.member) or Identity()
    pki = seen.config.layout.pki
    for entry in authorities.entries(seen.session):
        is_gone = not seen.session.host.at(entry.at.key).exists()
        if is_gone and entry.at != pki.ca and catalog.name(pki, entry.at) in known.signing:
            what = f"{entry.at.key}: is gone: what its CA signed can't be renewed here"
            yield warning(of_path("FileContent", entry.at.key), what, "put it back from a backup")


def guard_of_etcd(seen: HostState) -> Iterator[Finding]:
    """Tell that a unit of the host's own has no guard against starting without its data."""
    if etcd.UNIT in seen.foreign:
        yield warning(
            "Service-etcd",
            f"{etcd.UNIT} is the host's own, and not kept from starting without its data",
            f"ETCD_INITIAL_CLUSTER_STATE in {seen.config.layout.etcd.environment} refuses that, "
            "if the unit reads it",
        )


def settings(seen: HostState) -> Iterator[Finding]:
    """Want addresses and names of the cluster as they were given out."""
    asked = seen.session.asked
    if copy := cluster.read(seen.layout.cluster):
        for name, value in cluster.changed_for_good(copy.settings, copy.with_changes(asked)):
            problem = f"{name} can't be changed any more: the cluster has {value}"
            yield Finding("ClusterSettings", problem, f"set {name} to {value} again")


def release(seen: HostState) -> Iterator[Finding]:
    """Want no bundle of a minor that does not read what the cluster's API servers have written."""
    copy = cluster.read(seen.layout.cluster)
    if copy is None or Accept.EMPTY_ETCD in seen.session.accepted:
        return
    oldest, own = copy.settings.oldest, seen.release.minor
    if versions.numbers(own) < min(versions.numbers(oldest), _served(seen)):
        what = f"the API serves what {oldest} has brought, which no {own} reads"
        hint = f"kubeception bundle import /opt/kubeception/NAME, one of {oldest} by bundle list"
        yield Finding("VersionSkew", f"the bundle in use is of {own}; {what}", hint, is_final=True)


def _served(seen: HostState) -> tuple[int, ...]:
    """Return the minor of who serves, or else of who has proven itself last; of none where none is.

    What the cluster is to go by may have been put back before it served.
    """
    ca = seen.layout.pki.ca.certificate
    if seen.live and (version := health.version(seen.session.api_port, ca)):
        return versions.numbers(version)[:2]
    kept = revisions.kept(seen.layout.revisions)[:1]
    images = (revision.image_of(dict(one.proven.template)) for one in kept)
    return next((versions.minor_of(image) or () for image in images), ())
