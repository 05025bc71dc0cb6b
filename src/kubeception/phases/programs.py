"""Have the host's units run the programs of the bundle in use.

Last of all, since a kubelet may never be newer than its API server
(https://kubernetes.io/releases/version-skew-policy/).
"""

from collections.abc import Iterator

from kubeception import conditions
from kubeception.conditions import Condition
from kubeception.config import Config
from kubeception.engine import Phase
from kubeception.facts import Facts
from kubeception.render import containerd, etcd, kubelet
from kubeception.resources import Resource
from kubeception.resources.current_program import CurrentProgram

_PROGRAMS = {containerd.UNIT: "containerd", kubelet.UNIT: "kubelet", etcd.UNIT: "etcd"}


def plan(config: Config, facts: Facts) -> Iterator[Resource]:
    """Want each unit that is ours to run what lies where its file says."""
    for unit, name in _PROGRAMS.items():
        if unit not in facts.host.foreign_units:
            # Told to end, etcd waits seven seconds for watches, and answers nobody; what it has
            # acknowledged is on the disk.
            is_killed = unit == etcd.UNIT
            yield CurrentProgram(unit, config.layout.launchers / name, is_killed=is_killed)


def until(_config: Config, facts: Facts) -> Iterator[Condition]:
    """End when the node is Ready, by the word of the kubelet that runs now."""
    yield conditions.node_ready_anew(facts.host.node)


PROGRAMS = Phase("programs", "running the programs of the bundle", plan, until=until)
