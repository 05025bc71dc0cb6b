"""End what runs by something that a person gives up, before it is given up.

It would go on by it: lead a new cluster, say, until the kubelet learns that nobody there knows it,
or show a token that is void.
"""

from collections.abc import Iterator

from kubeception.config import Config
from kubeception.engine import Phase
from kubeception.facts import OF_DATA, Accept, Facts
from kubeception.phases.reset import NETWORK
from kubeception.render import etcd, keeper, kubelet
from kubeception.resources import Resource
from kubeception.resources.absent import StoppedUnit
from kubeception.resources.pods import NoPods


def giving_up(accepted: frozenset[Accept]) -> tuple[Phase, ...]:
    """Return what ends all that runs; with etcd's data their process and the pods' network too.

    What is in pods' folders stays: unless the data are given up the same pods come back.
    """
    return (ENDED, DATA_CLOSED, NETWORK) if accepted & OF_DATA else (ENDED,)


def ended(_config: Config, _facts: Facts) -> Iterator[Resource]:
    """Want neither keeper nor kubelet, who would bring it back, nor a pod of the cluster."""
    yield StoppedUnit(keeper.UNIT)
    yield StoppedUnit(kubelet.UNIT)
    yield NoPods()


def data_closed(_config: Config, _facts: Facts) -> Iterator[Resource]:
    """Want no etcd, which may still have open what is gone."""
    yield StoppedUnit(etcd.UNIT)


ENDED = Phase("ended", "ending what runs; if this fails, run it again: it starts all of it", ended)
DATA_CLOSED = Phase("data-closed", "stopping etcd", data_closed, module="etcd")
