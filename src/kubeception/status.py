"""What holds of this control plane and what doesn't, by the conditions that bootstrap waits on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kubeception import conditions
from kubeception.conditions import Condition, current_problem
from kubeception.config import Config
from kubeception.facts import Facts
from kubeception.gather import UNITS, gather
from kubeception.keeper import record
from kubeception.phases.addons import all_ready
from kubeception.reach import Reach
from kubeception.render import apiserver, controllers, keeper


@dataclass(frozen=True)
class Check:
    """One line of the status; `problem` is None where all is well."""

    group: str
    what: str
    problem: str | None


@dataclass(frozen=True)
class Status:
    """The node, the port that its door leads to (0 for none), and every check's outcome.

    `keeper` is the keeper's last verdict.
    """

    node: str
    address: str
    door: int
    keeper: str
    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        """Whether all of it holds."""
        return not any(check.problem for check in self.checks)


def look(reach: Reach) -> Status:
    """Ask everything once, the lower layers first."""
    facts = gather(reach)
    checks = tuple(
        Check(group, condition.what, current_problem(condition, reach))
        for group, condition in _conditions(reach.config, facts)
    )
    return Status(facts.node, facts.address, facts.door, _verdict(reach), checks)


def _verdict(reach: Reach) -> str:
    last = record.read(reach.layout.keeper)
    return f"{last.action}: {last.why}, since {last.since}" if last else "has not spoken since boot"


def _conditions(config: Config, facts: Facts) -> Iterator[tuple[str, Condition]]:
    for unit in (*UNITS, keeper.UNIT):
        yield "host", conditions.unit_active(unit)
    yield "etcd", conditions.etcd_serves()
    port = facts.hosted.port if facts.hosted else apiserver.HOSTED_PORTS[0]
    yield "API server", conditions.apiserver_ready(port)
    yield "door", conditions.door_leads_to(port)
    manifests = config.layout.kubelet.manifests
    for name in (apiserver.BOOTSTRAP_NAME, *(c.bootstrap_name for c in controllers.BOTH)):
        yield "bootstrap", _absent(manifests / f"{name}.yaml", name)
    for lease in conditions.LEASES:
        yield "Leases", conditions.lease_held(lease)
    for condition in all_ready(config, facts):
        yield "cluster", condition


def _absent(manifest: Path, name: str) -> Condition:
    def problem(reach: Reach) -> str | None:
        return f"{manifest} is there" if reach.host.at(manifest).exists() else None

    return Condition(f"{name} to be gone", problem, hint="kubeception bootstrap")
