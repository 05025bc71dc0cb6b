"""Which bundles of this host an upgrade that is not final needs, and the way back from it."""

import logging

from kubeception.bundle.install import installed
from kubeception.conditions.upgrades import is_open, listed, newest, phase
from kubeception.config import cluster
from kubeception.errors import KubeceptionError
from kubeception.render.cluster_upgrade import Phase
from kubeception.session import Session
from kubeception.versions import numbers

log = logging.getLogger("kubeception")


def needed(session: Session) -> set[str]:
    """Return the names of bundles that have to stay.

    A worker knows them by its copy of the cluster's settings alone, so between minors.
    """
    copy = cluster.read(session.layout.cluster)
    emulated = copy.settings.emulates if copy else ""
    names = {
        one.name
        for one in installed(session.host.root)
        if emulated and one.kubernetes and numbers(one.kubernetes)[:2] == numbers(emulated)
    }
    at = session.layout
    if at.membership.exists() or not at.pki.ca.key.exists():
        return names
    try:
        every = listed(session.api)
    except KubeceptionError as error:
        log.warning("which bundles an upgrade needs can't be asked: %s", error)
        return names
    last = newest(every)
    for one in every:
        at_phase, spec = phase(one), one["spec"]
        if is_open(one) or (one is last and at_phase is not Phase.SUCCEEDED):
            names.add(spec.get("previous", ""))
        if is_open(one) or (one is last and at_phase is Phase.FAILED):
            names.add(spec.get("version", ""))
    return names - {""}
