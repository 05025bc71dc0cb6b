"""The table of checks, and carrying them out."""

import logging
from concurrent.futures import ThreadPoolExecutor

from kubeception.errors import PreflightError
from kubeception.preflight import (
    address,
    belongings,
    flags,
    host,
    pki,
    ports,
    programs,
    room,
    webhooks,
)
from kubeception.preflight.finding import Check, Finding, Severity
from kubeception.preflight.scene import Scene, survey
from kubeception.reach import Reach

log = logging.getLogger("kubeception.preflight")

CHECKS: tuple[Check, ...] = (
    host.privileges,
    host.role,
    host.service_manager,
    host.packet_filter,
    host.cgroups,
    programs.files,
    programs.supported,
    programs.own_units,
    ports.strangers,
    address.node_name,
    address.of_this_host,
    address.choice,
    address.remembered,
    belongings.losses,
    belongings.put_back,
    belongings.without_keys,
    belongings.guard_of_etcd,
    belongings.settings,
    flags.named_files,
    pki.content,
    pki.certificates,
    room.folders,
    room.disk,
    room.memory,
    room.clock,
    webhooks.without_backend,
)

# A worker has no door, no certificates but its own, and no API whose webhooks are its business.
_CONTROL_PLANES = (
    host.packet_filter,
    belongings.losses,
    belongings.put_back,
    belongings.without_keys,
    belongings.guard_of_etcd,
    belongings.settings,
    pki.content,
    pki.certificates,
    webhooks.without_backend,
)
WORKER_CHECKS = tuple(check for check in CHECKS if check not in _CONTROL_PLANES)


def look(reach: Reach, *, rebuild: bool = False, worker: bool = False) -> list[Finding]:
    """Return everything that is wrong with this host, errors first."""
    scene = survey(reach, rebuild=rebuild, worker=worker)
    checks = WORKER_CHECKS if worker else CHECKS
    # Programs, the kernel and the API are asked meanwhile; no two checks share a conversation.
    with ThreadPoolExecutor(len(checks)) as pool:
        parts = pool.map(lambda check: _carry_out(check, scene), checks)
        found = [finding for part in parts for finding in part]
    return sorted(found, key=lambda finding: finding.severity is Severity.WARNING)


def require(reach: Reach, *, rebuild: bool = False, worker: bool = False) -> None:
    """Log what may become a problem, and stop at what would surely break.

    Raises:
        PreflightError: there is such a thing; all of them are named.
    """
    found = look(reach, rebuild=rebuild, worker=worker)
    for finding in found:
        if finding.severity is Severity.WARNING:
            log.warning("%s (%s)", finding, finding.hint)
    errors = [finding for finding in found if finding.severity is Severity.ERROR]
    if errors:
        raise PreflightError(
            [str(e) for e in errors],
            hints=[e.hint for e in errors],
            is_final=any(e.is_final for e in errors),
        )


def _carry_out(check: Check, scene: Scene) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check(scene))
    except PermissionError:
        # Whoever isn't root is told so, and beside it what everybody may see.
        if scene.is_root:
            raise
    return found
