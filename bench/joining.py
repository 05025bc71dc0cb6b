"""A worker joins: ours beside `kubeadm join`, one host after the other into a cluster that stands.

The clock starts with the join command on the worker, and stops when the API says that the node is
registered, and that it is Ready.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from tests.lab import cluster

from bench import kubeadm
from bench.lab import own
from bench.lap import until_ready
from kubeception.bundle.components import SOURCES
from kubeception.config.load import load
from kubeception.lab import Host

_PATIENCE = "--timeout=110s"


@dataclass(frozen=True)
class Joined:
    """Seconds until a node was registered, and until it was Ready."""

    registered: float
    ready: float


@dataclass
class Joins:
    """Who took hosts in, and how long each took."""

    name: str
    laps: list[Joined] = field(default_factory=list)


def race(*, hosts: int) -> tuple[Joins, Joins]:
    """Let so many hosts join each, in two clusters, one cluster after the other."""
    return _ours(hosts), _kubeadms(hosts)


def _ours(hosts: int) -> Joins:
    found = Joins("`kubeception join`")
    with _lab(hosts) as (control_plane, workers):
        cluster.configure(control_plane)
        cluster.bootstrap(control_plane)
        for worker in workers:
            words = ("token", "create", "--node", worker.name)
            command = control_plane.run("kubeception", *words).stdout
            join = partial(worker.run, "sh", stdin=command, timeout_s=300)
            found.laps.append(_lap(control_plane, worker, join))
    return found


def _kubeadms(hosts: int) -> Joins:
    found = Joins("`kubeadm join`")
    parts, config = kubeadm.build(), load(SOURCES / "distros" / "lab.toml")
    with _lab(hosts) as (control_plane, workers):
        kubeadm.prepare(control_plane, parts, config, api=control_plane.address)
        kubeadm.lap(control_plane)
        for worker in workers:
            kubeadm.prepare(worker, parts, config, api=control_plane.address)
            printed = control_plane.run(
                "/root/kubeadm", "token", "create", "--print-join-command"
            ).stdout.split()
            join = partial(
                worker.run,
                *("/root/kubeadm", *printed[1:], "--ignore-preflight-errors=all"),
                timeout_s=300,
            )
            found.laps.append(_lap(control_plane, worker, join))
    return found


def _lap(control_plane: Host, worker: Host, join: Callable[[], object]) -> Joined:
    node = f"node/{worker.name}"

    def until(*what: str) -> float:
        cluster.kubectl(control_plane, "wait", node, *what, _PATIENCE)
        return time.monotonic() - started

    started = time.monotonic()
    with ThreadPoolExecutor() as pool:
        joining = pool.submit(join)
        registered = until("--for=create")
        ready = until("--for=condition=Ready")
        joining.result()
    until_ready(control_plane, pods=0)  # the next one is to find an idle machine
    return Joined(registered, ready)


@contextmanager
def _lab(workers: int) -> Iterator[tuple[Host, list[Host]]]:
    with own() as lab:
        lab.up(workers=workers, bundle=cluster.bundle_folder())
        control_plane, *rest = lab.hosts()
        yield control_plane, rest
