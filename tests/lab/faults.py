"""The faults that a control plane has to get over by itself: one table, for tests and measuring."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.lab import breaking
from tests.lab.breaking import Break
from tests.lab.lot import SEED

from kubeception.render import containerd, etcd, keeper, kubelet

_ADD_ONS = ("coredns-", "kube-flannel-", "kube-proxy-", "kubeception-")
_EVERYBODY = ("coredns-", "kube-", "kubeception-")
_UNITS = (etcd.UNIT, kubelet.UNIT, containerd.UNIT, keeper.UNIT)


@dataclass(frozen=True)
class Fault:
    """Something that breaks, and how much may come of it.

    `inject` breaks it and returns what to ask until it is mended; that all is well besides is asked
    of the host as ever. `well_s` counts from the end of the injection. `gap_s` is the longest that
    the API may be silent; 0 means that not one request may fail. `spares` are the pods, by the
    start of their names, that may not be replaced or started anew. `words` say what was drawn by
    lot. One that `needs_api` is injected through it. `is_long` is for a run that has time.
    """

    name: str
    inject: Break
    well_s: float
    gap_s: float = 0.0
    spares: tuple[str, ...] = ()
    words: str = ""
    needs_api: bool = True
    is_long: bool = False


def table(seed: int = SEED) -> tuple[Fault, ...]:
    """Return every fault, the milder ones first."""
    chance = random.Random(seed)
    mild = (*_of_objects(), *_of_processes(), *_of_the_runtime())
    return (*mild, *_of_the_api_server(), *_drawn(mild, chance))


def _of_objects() -> Iterator[Fault]:
    yield Fault("controllers deleted", breaking.delete_controllers, 40)
    deleted = breaking.delete_apiserver
    yield Fault("API server's pod deleted", deleted, 30, 30, spares=_ADD_ONS, is_long=True)
    yield Fault("API server's DaemonSet deleted", breaking.delete_daemonset, 30, 30)
    yield Fault("Node deleted", breaking.delete_node, 90, 30)
    yield Fault("role label removed", breaking.remove_role, 30, 30, is_long=True)
    yield Fault("label of its host removed", breaking.remove_host_label, 30)
    # The kubelet refuses the bootstrap API server; that is seen after some 20 s.
    yield Fault("no room on the Node, then its role label removed", breaking.leave_no_room, 90, 60)
    yield Fault("policies deleted", breaking.delete_policies, 30, spares=_EVERYBODY)
    places = breaking.delete_places_of_the_api
    yield Fault("places of the API's Service deleted", places, 30, spares=_EVERYBODY)
    elsewhere = breaking.edit_a_place_of_the_api
    yield Fault("a place of the API's Service led elsewhere", elsewhere, 30, spares=_EVERYBODY)
    yield Fault("taint removed", breaking.remove_taint, 30, is_long=True)


def _of_processes() -> Iterator[Fault]:
    killed = breaking.kill_apiserver(times=1)
    yield Fault("API server killed", killed, 30, 10, spares=_ADD_ONS, needs_api=False)
    full = breaking.exhaust_memory
    yield Fault("API server out of memory", full, 30, 10, spares=_ADD_ONS)
    yield Fault("nftables flushed", breaking.flush_nftables, 30, 3, needs_api=False)
    yield Fault("etcd killed", breaking.kill_unit(etcd.UNIT), 30, 10, needs_api=False)
    yield Fault(
        "kubelet killed", breaking.kill_unit(kubelet.UNIT), 30, spares=_EVERYBODY, needs_api=False
    )
    killed = breaking.kill_unit(keeper.UNIT)
    yield Fault("keeper killed", killed, 30, spares=_EVERYBODY, needs_api=False)
    # Its watchdog is patient for a minute.
    hung = breaking.kill_unit(keeper.UNIT, signal="STOP")
    yield Fault("keeper stopped by a signal", hung, 90, spares=_EVERYBODY, needs_api=False)
    yield Fault(
        "containerd killed",
        breaking.kill_unit(containerd.UNIT),
        30,
        spares=_EVERYBODY,
        needs_api=False,
    )
    yield Fault(
        "containerd killed with all its shims",
        breaking.kill_unit(containerd.UNIT, whom="all"),
        *(60, 30),
        needs_api=False,
        is_long=True,
    )


def _of_the_runtime() -> Iterator[Fault]:
    # The kubelet says so after three minutes, and its keeper has patience for one more.
    hung = breaking.kill_unit(containerd.UNIT, signal="STOP")
    yield Fault(
        "containerd stopped by a signal",
        hung,
        400,
        spares=_EVERYBODY,
        needs_api=False,
        is_long=True,
    )
    # The kubelet starts everything beside what goes on, which is then ended.
    yield Fault("shims killed", breaking.kill_shims, 60, 30, needs_api=False)


def _of_the_api_server() -> Iterator[Fault]:
    often = breaking.kill_apiserver(times=5)
    yield Fault("API server killed five times", often, 40, 10, is_long=True)
    yield Fault("API server stopped by a signal", breaking.stop_apiserver, 30, 30)
    yield Fault("API server out of file descriptors", breaking.exhaust_files, 30, 30, is_long=True)
    yield Fault("node drained, then uncordoned", breaking.drain, 30, is_long=True)
    yield Fault("every write refused by a webhook", breaking.refuse_writes, 30)
    edits = {
        "a bad flag": breaking.to_a_bad_flag,
        "a bad image": breaking.to_a_bad_image,
        "one that is ready, then ends": breaking.to_one_that_ends_on_trial,
    }
    for name, change in edits.items():
        is_long = change is not breaking.to_a_bad_flag
        yield Fault(f"API server edited to {name}", breaking.edit(change), 180, is_long=is_long)
    # Behind the door it is alone: until it is seen to be gone, nobody answers.
    late = breaking.edit(breaking.to_one_that_ends_behind_the_door)
    yield Fault(
        "API server edited to one that gets the door, then ends", late, 180, 5, is_long=True
    )
    bad = breaking.bootstrap_with_a_bad_flag
    yield Fault("API server set to a bad flag by bootstrap", bad, 30)


def _drawn(mild: tuple[Fault, ...], chance: random.Random) -> Iterator[Fault]:
    stopped, started = (chance.sample(_UNITS, len(_UNITS)) for _ in range(2))
    yield Fault(
        "all units stopped and started",
        breaking.stop_and_start(stopped, started),
        *(30, 30),
        words=f"stopped: {_short(stopped)}; started: {_short(started)}",
    )
    # What is broken through the API comes first, while there is one.
    one, other = sorted(chance.sample(mild, 2), key=lambda fault: not fault.needs_api)
    yield Fault(
        "two at once",
        breaking.together(one.inject, other.inject),
        one.well_s + other.well_s,
        one.gap_s + other.gap_s,
        words=f"{one.name}; {other.name}",
        is_long=True,
    )


def _short(units: list[str]) -> str:
    return ", ".join(unit.removesuffix(".service") for unit in units)
