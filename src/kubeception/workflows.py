"""The table of contents: what each command does, as phases in order."""

import logging
from functools import partial
from pathlib import Path

from kubeception import preflight
from kubeception.engine import Phase, Summary, carry_out
from kubeception.errors import PreflightError, WaitTimeout
from kubeception.gather import gather
from kubeception.host import files, kernel, lock
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
from kubeception.phases.keeper import BOOT, KEEPER
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
    RETIRE_CONTROLLERS,
    STABILITY,
    HANDOVER,
    RETIRE_API,
    KEEPER,
    ADDONS,
)


def bootstrap(
    reach: Reach, *, rebuild: bool = False, source: Path | None = None, by: str = "bootstrap"
) -> Summary:
    """Make this host's control plane run inside the cluster, whatever state it is in now.

    A configuration that came from `source` becomes the host's own, so that `status`, the keeper and
    later runs go by it too.

    Raises:
        PreflightError: something would surely break; nothing has been changed.
        Locked: somebody else is changing this host.
        WaitTimeout: a step did not come to its end; what it waited for is named.
    """
    if not kernel.is_root():
        preflight.require(reach, rebuild=rebuild)  # nobody else may take the lock
    with lock.hold(reach.layout.lock, f"kubeception {by}"), Steps(log) as steps:
        with steps.step("preflight", "looking for problems", quiet=True):
            try:
                preflight.require(reach, rebuild=rebuild)
            except PreflightError as error:
                if by != KEEPER.name:
                    raise
                # Nobody is there to mend them first; what can still be saved is tried.
                for problem in error.problems:
                    log.warning("%s", problem)
        if source is not None:
            _keep(source, reach.layout.config)
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


def boot(reach: Reach) -> Summary:
    """After a boot, have the kubelet start with a bootstrap API server; bootstrap does the rest."""
    with lock.hold(reach.layout.lock, "kubeception keeper, at boot"), Steps(log) as steps:
        return carry_out([BOOT], reach, gather=partial(gather, reach), steps=steps)


def _keep(source: Path, config: Path) -> None:
    text = source.read_text()
    if not config.exists() or config.read_text() != text:
        files.write(config, text)
        log.info("%s is now the host's configuration, as %s", source, config)
