"""kubeception beside kubeadm: the same versions, images and kind of host, in turn."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from tests.lab import cluster

from bench import kubeadm, ours
from bench.lab import own
from bench.lap import Lap
from kubeception.bundle.components import SOURCES
from kubeception.config.load import load
from kubeception.lab import Host


@dataclass(frozen=True)
class Contestant:
    """Who runs: what is done to a fresh host before the clock starts, and the run itself."""

    name: str
    prepare: Callable[[Host], None]
    run: Callable[[Host], Lap]
    laps: list[Lap] = field(default_factory=list)


def contestants() -> tuple[Contestant, Contestant, Contestant]:
    """Return ours, kubeadm as everybody has it, and kubeadm with a flannel that needs no Service.

    kubeadm is compiled here unless it has been.
    """
    parts = kubeadm.build()
    config = load(SOURCES / "distros" / "lab.toml")

    def prepare(host: Host, *, tell_flannel: bool) -> None:
        api = host.address if tell_flannel else None
        kubeadm.prepare(host, parts, config, api=api)

    return (
        Contestant("`kubeception bootstrap`", cluster.configure, ours.lap),
        Contestant(
            "`kubeadm init`, then flannel", partial(prepare, tell_flannel=False), kubeadm.lap
        ),
        Contestant(
            "the same, flannel told the API's address",
            partial(prepare, tell_flannel=True),
            kubeadm.lap,
        ),
    )


def lap(contestant: Contestant) -> None:
    """Let one run once, on a host made for it."""
    with own() as lab:
        lab.up(bundle=cluster.bundle_folder())
        host = lab.host("cp1")
        contestant.prepare(host)
        contestant.laps.append(contestant.run(host))
