"""One command takes a cluster to another release: what runs on it is served, and told why not."""

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Note
from tests.lab import budgeted, cluster, healing, releases
from tests.lab.cluster import Requests, bootstrap, get, quietly, until, upgrade_status
from tests.lab.conftest import Names, bundle_folder
from tests.lab.lot import IS_SOAK, SEED
from tests.lab.machine import scaled

from kubeception.bundle import contents
from kubeception.lab import Host, Lab

pytestmark = [pytest.mark.hosts(3), pytest.mark.timeout(900)]

# Its one member of etcd starts anew.
SLOWEST_S = 3.0
# After which a power cut comes, from the beginning on: whatever is under way then.
MOMENTS_S = random.Random(SEED).sample(range(45), 3 if IS_SOAK else 1)


@dataclass(frozen=True)
class Made:
    """A cluster with two workers, and the bundle of the release that it is to go to."""

    lab: Lab
    bundle: Path

    @property
    def hosts(self) -> list[Host]:
        """Its hosts, the control plane's first."""
        return self.lab.hosts()

    @property
    def release(self) -> str:
        """The name of the release."""
        return contents.load(self.bundle).version


def another(folder: Path, number: int) -> Path:
    """Lay out a release whose Deployments are rolled, too."""
    return releases.another(folder, more=b"\0" * number, of_images=releases.IMAGES)


@pytest.fixture(scope="module")
def made(new_name: Names, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    lab = Lab(new_name())
    try:
        lab.up(workers=2, bundle=bundle_folder())
        lab.bootstrap()
        lab.join()
        yield Made(lab, another(tmp_path_factory.mktemp("another"), 1))
    finally:
        lab.down()


@pytest.fixture(scope="module", autouse=True)
def web(made: Made) -> None:
    budgeted.make(made.hosts[0], contents.load(bundle_folder()).images["pause"])


def test_a_release_that_a_host_lacks_is_told_and_nothing_begins(made: Made) -> None:
    cp1, w1, w2 = made.hosts
    releases.stage(made.bundle, cp1, on=[cp1, w1])

    failed = cp1.fail("kubeception", "upgrade", "apply", made.release, "--yes")

    assert failed.code == 3
    assert f"error: node w2: its host has no bundle {made.release}" in failed.stderr
    assert "hint: on each such host: kubeception bundle import DIR --stage" in failed.stderr
    assert upgrade_status(cp1) is None
    releases.stage(made.bundle, cp1, on=[w2])


def test_one_command_takes_the_cluster_to_another_release(made: Made, note: Note) -> None:
    """On w2 a program of it is damaged: that host fails and says why, and nothing is lost."""
    cp1, w1, w2 = made.hosts
    damaged = w2.root() / "opt/kubeception" / made.release / "bin/kubelet"
    whole = damaged.read_bytes()
    damaged.write_bytes(b"#!/bin/sh\necho no kubelet at all >&2\nexit 1\n")
    with ExitStack() as stack:
        ready = stack.enter_context(budgeted.watched(cp1))
        asking = [Requests.on(cp1), Requests.on(cp1, cp1.address), Requests.from_outside(cp1)]
        watched = [stack.enter_context(requests) for requests in asking]
        failed = cp1.run(
            *("kubeception", "upgrade", "apply", made.release, "--yes"), check=False, timeout_s=600
        )

    for requests in watched:
        assert requests.failed == []
        assert requests.slowest_s <= scaled(SLOWEST_S)
    assert min(ready) >= budgeted.FEWEST, ready
    assert failed.code == 1, failed
    assert "node cp1: done\n" in failed.stdout
    assert "node w1: done\n" in failed.stdout
    assert "w2 failed: " in failed.stderr
    assert "kubelet" in failed.stderr
    assert releases.running(cp1, *releases.PROGRAMS) == programs(made, *releases.PROGRAMS)
    assert releases.running(w1, "containerd", "kubelet") == programs(made, "containerd", "kubelet")
    cordoned = [one["metadata"]["name"] for one in get(cp1, "nodes")["items"] if is_closed(one)]
    assert cordoned == ["w2"]
    fewest = f"never fewer than {min(ready)} of {budgeted.REPLICAS} pods ready"
    note(f"{watched[0]}; {watched[2]}; {fewest}")

    damaged.write_bytes(whole)
    done = cp1.run("kubeception", "upgrade", "apply", made.release, "--yes", timeout_s=600)

    assert "node cp1" not in done.stdout, "only what is left is gone on with"
    assert f"all nodes run {made.release}" in done.stdout
    assert releases.running(w2, "containerd", "kubelet") == programs(made, "containerd", "kubelet")
    assert not any(map(is_closed, get(cp1, "nodes")["items"]))
    cluster.settle(cp1)
    assert bootstrap(cp1).changes == []
    again = cp1.run("kubeception", "upgrade", "apply", made.release, "--yes").stdout
    assert again == f"every node runs {made.release}; nothing was changed\n"


@pytest.mark.parametrize("number", range(len(MOMENTS_S)))
def test_it_is_gone_on_with_after_a_power_cut(
    made: Made, tmp_path: Path, note: Note, number: int
) -> None:
    cp1, *workers = made.hosts
    other = Made(made.lab, another(tmp_path, number + 2))
    releases.stage(other.bundle, cp1, on=made.hosts)
    cp1.run("kubeception", "upgrade", "apply", other.release, "--yes", "--no-wait", timeout_s=120)
    time.sleep(MOMENTS_S[number])
    healing.cut_power(cp1)

    took_s = until(quietly(lambda: upgrade_status(cp1)["phase"] == "Succeeded"), timeout_s=400)

    note(f"cp1 lost power after {MOMENTS_S[number]} s; all done {took_s:.1f} s later")
    assert upgrade_status(cp1)["message"] == f"all nodes run {other.release}"
    assert releases.running(cp1, *releases.PROGRAMS) == programs(other, *releases.PROGRAMS)
    for host in workers:
        there = releases.running(host, "containerd", "kubelet")
        assert there == programs(other, "containerd", "kubelet")
    cluster.settle(cp1)
    assert bootstrap(cp1).changes == []


def is_closed(node: dict[str, Any]) -> bool:
    """Whether a Node takes no pods."""
    closed: bool = node["spec"].get("unschedulable", False)
    return closed


def programs(made: Made, *names: str) -> list[Path]:
    """Return where programs of the release lie."""
    return [Path("/opt/kubeception") / made.release / "bin" / name for name in names]
