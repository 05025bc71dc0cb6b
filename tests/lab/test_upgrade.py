"""One command takes a cluster to another release: what runs on it is served, and told why not."""

import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Note
from tests.lab import budgeted, cluster, healing, releases
from tests.lab.cluster import Requests, bootstrap, get, quietly, until, upgrade_status
from tests.lab.conftest import Names, bundle_folder
from tests.lab.lot import IS_SOAK, SEED, drawn
from tests.lab.machine import scaled

from kubeception.bundle import contents
from kubeception.lab import Host, Lab

pytestmark = [pytest.mark.hosts(3), pytest.mark.timeout(900)]

# Its one member of etcd starts anew.
SLOWEST_S = 3.0
# What comes one after the other until it has succeeded, when nothing is given up any more.
STEPS = [
    "asked for",
    *(
        f"{node} {state}"
        for node in ("cp1", "w1", "w2")
        for state in ("Draining", "Upgrading", "Done")
    ),
][:-1]
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
    plan = cp1.run("kubeception", "upgrade", "plan", made.release).stdout
    assert plan.splitlines()[-1].startswith("upgrade plan: nothing is left to do, ")


@pytest.fixture(scope="module")
def spare(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The same cluster, and one more release: each takes gigabytes of three hosts' disks."""
    return Made(made.lab, another(tmp_path_factory.mktemp("spare"), 2))


@pytest.fixture
def other(made: Made, spare: Made) -> Made:
    """The same cluster, and whichever of two releases it does not run; every host has it."""
    cp1, *_ = made.hosts
    found = made if releases.running(cp1, "kubelet") == programs(spare, "kubelet") else spare
    if not all(there(host, found.release) for host in made.hosts):
        releases.stage(found.bundle, cp1, on=made.hosts)
    cluster.settle(cp1)
    return found


def there(host: Host, release: str) -> bool:
    """Whether a host has a release's bundle."""
    return (host.root() / "opt/kubeception" / release).is_dir()


@pytest.mark.parametrize("number", range(len(MOMENTS_S)))
def test_it_is_gone_on_with_after_a_power_cut(other: Made, note: Note, number: int) -> None:
    cp1, *workers = other.hosts
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


@pytest.mark.parametrize("step", drawn(STEPS, 1), ids=lambda one: f"{one} (seed {SEED})")
def test_it_is_given_up_at_any_step(other: Made, note: Note, step: str) -> None:
    cp1, *_ = other.hosts
    before, images = all_programs(other), pod_images(cp1)
    with ExitStack() as stack:
        ready = stack.enter_context(budgeted.watched(cp1))
        asking = [Requests.on(cp1), Requests.from_outside(cp1)]
        watched = [stack.enter_context(requests) for requests in asking]
        words = stack.enter_context(words_of_nodes(cp1))
        apply = ("kubeception", "upgrade", "apply", other.release, "--yes", "--no-wait")
        cp1.run(*apply, timeout_s=120)
        seen = until_it_is_at(step, words)
        given_up_s = time.monotonic()
        cp1.run("kubeception", "upgrade", "abort")
        until(lambda: is_given_up(cp1), timeout_s=400)
        took_s = time.monotonic() - given_up_s
        cluster.settle(cp1)

    note(f"given up after {', '.join(seen)}: as before after {took_s:.1f} s; {watched[0]}")
    assert seen == STEPS[: STEPS.index(step) + 1]
    assert [requests.failed for requests in watched] == [[], []]
    assert min(ready) >= budgeted.FEWEST, ready
    assert (all_programs(other), pod_images(cp1)) == (before, images)
    assert not any(map(is_closed, get(cp1, "nodes")["items"]))
    assert bootstrap(cp1).changes == []


@pytest.mark.parametrize("kubelet", drawn(["is stopped", "runs on"], 1))
def test_one_worker_goes_before_the_others(other: Made, note: Note, kubelet: str) -> None:
    cp1, _, w2 = other.hosts
    before, is_well = all_programs(other), kubelet == "runs on"
    # A kubelet that is gone is missed after some fifty seconds.
    first = ("--canary", "w2", "--canary-for", "20s" if is_well else "3m")
    with words_of_nodes(cp1) as words:
        apply = ("kubeception", "upgrade", "apply", other.release, "--yes", "--no-wait", *first)
        cp1.run(*apply, timeout_s=120)
        seen = until_it_is_at("w2 Proving", words)
        assert not any(step.startswith("w1 ") for step in seen), seen
        if not is_well:
            w2.run("kubeception", "keeper", "pause")  # it would start it again before that
            w2.run("systemctl", "stop", "kubelet")
            until_it_is_at("w2 Failed", words)

    if is_well:
        until(lambda: upgrade_status(cp1)["phase"] == "Succeeded", timeout_s=300)
        ours = programs(other, *releases.PROGRAMS), programs(other, "containerd", "kubelet")
        assert all_programs(other) == [ours[0], ours[1], ours[1]]
    else:
        until(lambda: upgrade_status(cp1)["phase"] == "Failed", timeout_s=60)
        said = upgrade_status(cp1)["message"]
        w2.run("systemctl", "start", "kubelet")
        w2.run("kubeception", "keeper", "resume")
        cp1.run("kubeception", "upgrade", "abort")
        until(lambda: is_given_up(cp1), timeout_s=400)
        note(f"the kubelet of a canary was stopped: {said}")
        assert "w2 failed: not Ready" in said
        assert all_programs(other) == before
    cluster.settle(cp1)
    assert not any(map(is_closed, get(cp1, "nodes")["items"]))
    assert bootstrap(cp1).changes == []


def all_programs(made: Made) -> list[list[Path]]:
    """Return what each host runs, etcd with the control plane's."""
    cp1, *workers = made.hosts
    of_workers = [releases.running(host, "containerd", "kubelet") for host in workers]
    return [releases.running(cp1, *releases.PROGRAMS), *of_workers]


@contextmanager
def words_of_nodes(cp1: Host) -> Iterator[Iterator[str]]:
    """Yield lines, one for each word of the next ClusterUpgrade: what each node is at.

    A watch ends with the API server that it asks, and begins anew with the next one.
    """
    before = {one["metadata"]["name"] for one in get(cp1, "clusterupgrades")["items"]}
    columns = "NAME:.metadata.name,NODES:.status.nodes[*].name,STATES:.status.nodes[*].state"
    watch = f"kubectl get clusterupgrades --watch --no-headers --output=custom-columns='{columns}'"
    argv = cp1.command("sh", "-c", f"while :; do {watch} 2>/dev/null; done")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        told = (line.split() for line in watching.stdout)
        try:
            yield (f"{nodes} {states}" for name, nodes, states in told if name not in before)
        finally:
            watching.kill()


def until_it_is_at(step: str, words: Iterator[str]) -> list[str]:
    """Wait until a node is at a step; return what came until then."""
    seen = STEPS[:1]
    while step not in seen:
        nodes, states = (one.split(",") for one in next(words).split())
        told = [(node, state) for node, state in zip(nodes, states, strict=True)]
        new = [f"{node} {state}" for node, state in told if state not in {"Waiting", "<none>"}]
        seen += [one for one in new if one not in seen]
        assert seen[-1] != "w2 Done", seen
    return seen


def is_given_up(cp1: Host) -> bool:
    """Whether an upgrade that was aborted, or the way back from it, has come to its end."""
    found = upgrade_status(cp1)
    return bool(found["phase"] == ("Succeeded" if "-back-" in found["name"] else "Aborted"))


def pod_images(cp1: Host) -> set[str]:
    """Return the images of all that runs as pods of the cluster's own."""
    return {
        container["image"]
        for pod in get(cp1, "pods", "-n", "kube-system")["items"]
        for container in pod["spec"]["containers"]
    }


def is_closed(node: dict[str, Any]) -> bool:
    """Whether a Node takes no pods."""
    closed: bool = node["spec"].get("unschedulable", False)
    return closed


def programs(made: Made, *names: str) -> list[Path]:
    """Return where programs of the release lie."""
    return [Path("/opt/kubeception") / made.release / "bin" / name for name in names]
