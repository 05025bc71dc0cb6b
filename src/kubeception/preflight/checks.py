"""The table of checks, and carrying them out."""

import logging
from concurrent.futures import ThreadPoolExecutor

from kubeception.errors import PreflightError
from kubeception.preflight import (
    address,
    belongings,
    capacity,
    firewall,
    flags,
    host,
    kernel,
    kubelet_leftovers,
    layers,
    leftovers,
    pki,
    ports,
    programs,
    units,
    webhooks,
)
from kubeception.preflight.finding import Check, Finding, Severity
from kubeception.preflight.host_state import HostState, inspect
from kubeception.session import Session

log = logging.getLogger("kubeception.preflight")

CHECKS: tuple[Check, ...] = (
    host.privileges,
    host.service_manager,
    host.packet_filter,
    host.routes,
    firewall.lets_through,
    kernel.modules,
    kernel.settings,
    kernel.watched_files,
    host.cgroups,
    host.controllers,
    host.kernels_log,
    programs.files,
    programs.may_run,
    programs.supported,
    programs.own_units,
    ports.foreign_listeners,
    ports.given_out,
    address.node_name,
    address.of_this_host,
    address.choice,
    address.remembered,
    address.ranges,
    belongings.losses,
    belongings.put_back,
    belongings.without_keys,
    belongings.guard_of_etcd,
    belongings.settings,
    belongings.release,
    flags.named_files,
    pki.content,
    pki.certificates,
    leftovers.networks,
    leftovers.resolver,
    leftovers.bridge,
    kubelet_leftovers.static_pods,
    kubelet_leftovers.kubelet_state,
    units.masked,
    units.dropped_in,
    units.runtime_has_settings,
    capacity.folders,
    capacity.disk,
    layers.carried,
    capacity.quota,
    capacity.memory,
    capacity.clock,
    webhooks.without_backend,
)

# A worker has no door, no certificates but its own, and no API whose webhooks are its business.
_CONTROL_PLANES = (
    host.packet_filter,
    capacity.quota,
    belongings.losses,
    belongings.put_back,
    belongings.without_keys,
    belongings.guard_of_etcd,
    belongings.settings,
    belongings.release,
    pki.content,
    pki.certificates,
    webhooks.without_backend,
)
WORKER_CHECKS = tuple(check for check in CHECKS if check not in _CONTROL_PLANES)


def look(session: Session, *, rebuild: bool = False, worker: bool = False) -> list[Finding]:
    """Return everything that is wrong with this host, errors first."""
    seen = inspect(session, rebuild=rebuild, worker=worker)
    if other_kind := _carry_out(host.role, seen):
        # What a host of this kind needs besides is no trouble of one of the other kind.
        return [*_carry_out(host.privileges, seen), *other_kind]
    checks = WORKER_CHECKS if worker else CHECKS
    # Programs, the kernel and the API are asked meanwhile; no two checks share a conversation.
    with ThreadPoolExecutor(len(checks)) as pool:
        parts = pool.map(lambda check: _carry_out(check, seen), checks)
        found = [finding for part in parts for finding in part]
    return sorted(found, key=lambda finding: finding.severity is Severity.WARNING)


def require(session: Session, *, rebuild: bool = False, worker: bool = False) -> None:
    """Log what may become a problem, and stop at what would surely break.

    Raises:
        PreflightError: there is such a thing; all of them are named.
    """
    found = look(session, rebuild=rebuild, worker=worker)
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


def _carry_out(check: Check, seen: HostState) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check(seen))
    except PermissionError:
        # Whoever isn't root is told so, and beside it what everybody may see.
        if seen.is_root:
            raise
    return found
