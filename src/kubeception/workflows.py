"""The table of contents: what each command does, as phases in order."""

import logging
from functools import partial

from kubeception.engine import Phase, Summary, carry_out
from kubeception.errors import WaitTimeout
from kubeception.gather import gather
from kubeception.host import lock
from kubeception.phases.addons import ADDONS
from kubeception.phases.bootstrap_plane import (
    BOOTSTRAP_API,
    BOOTSTRAP_CONTROLLERS,
    BOOTSTRAP_DOOR,
    LEADERS,
)
from kubeception.phases.control_plane import CONTROL_PLANE
from kubeception.phases.etcd import ETCD
from kubeception.phases.handover import HANDOVER, RETIRE_API, RETIRE_CONTROLLERS, STABILITY
from kubeception.phases.kernel import KERNEL
from kubeception.phases.kubelet import KUBELET
from kubeception.phases.node import MARKED, REGISTERED
from kubeception.phases.pki import PKI
from kubeception.phases.reset import phases as undoing
from kubeception.phases.runtime import RUNTIME
from kubeception.reach import Reach
from kubeception.report import Steps

log = logging.getLogger("kubeception.k8s")

BOOTSTRAP: tuple[Phase, ...] = (
    PKI,
    KERNEL,
    RUNTIME,
    ETCD,
    KUBELET,
    BOOTSTRAP_API,
    BOOTSTRAP_DOOR,
    LEADERS,
    BOOTSTRAP_CONTROLLERS,
    CONTROL_PLANE,
    REGISTERED,
    MARKED,
    STABILITY,
    HANDOVER,
    RETIRE_CONTROLLERS,
    RETIRE_API,
    ADDONS,
)


def bootstrap(reach: Reach, *, rebuild: bool = False) -> Summary:
    """Make this host's control plane run inside the cluster, whatever state it is in now.

    Raises:
        Locked: somebody else is changing this host.
        WaitTimeout: a step did not come to its end; what it waited for is named.
    """
    with lock.hold(reach.layout.lock, "kubeception bootstrap"), Steps(log) as steps:
        try:
            facts = partial(gather, reach, rebuild=rebuild)
            return carry_out(BOOTSTRAP, reach, gather=facts, steps=steps)
        except WaitTimeout as error:
            if steps.last == RETIRE_CONTROLLERS.name:
                # Nobody leads: a cluster without controllers could not even repair itself.
                log.warning("%s; putting the bootstrap ones back", error.message)
                facts = partial(gather, reach, rebuild=True)
                carry_out([BOOTSTRAP_CONTROLLERS], reach, gather=facts, steps=steps)
            raise


def reset(reach: Reach, *, etcd: bool = False, pki: bool = False) -> Summary:
    """Remove what bootstrap made of this host; etcd and the certificates only if asked.

    Raises:
        Locked: somebody else is changing this host.
    """
    phases = tuple(undoing(BOOTSTRAP, etcds=etcd, pkis=pki))
    with lock.hold(reach.layout.lock, "kubeception reset"), Steps(log) as steps:
        facts = partial(gather, reach, rebuild=True)
        return carry_out(phases, reach, gather=facts, steps=steps)
