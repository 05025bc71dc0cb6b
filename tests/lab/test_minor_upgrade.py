"""From one minor of Kubernetes to the next by one command: the API goes on, and so do pods.

It needs the bundle of the release before (`kubeception bundle build --release 1.36`), which takes
longer to build than everything else: `make soak` has it collected.
"""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.conftest import Note
from tests.lab import budgeted, cluster, releases, timeline
from tests.lab.cluster import Requests, bootstrap, get, kubectl
from tests.lab.conftest import Names, bundle_folder
from tests.lab.machine import scaled

from kubeception.bundle import contents
from kubeception.bundle.build import default_folder
from kubeception.lab import Host, Lab
from kubeception.versions import BUILT_IN

pytestmark = [pytest.mark.hosts(3), pytest.mark.timeout(1800)]

BEFORE = "1.36"
# Its one member of etcd starts anew at the end.
GAP_S = 3.0


@pytest.fixture(scope="module")
def lab(new_name: Names) -> Iterator[Lab]:
    """A cluster of the minor before with two workers."""
    made = Lab(new_name())
    try:
        made.up(workers=2, bundle=default_folder(BEFORE))
        made.bootstrap()
        made.join()
        yield made
    finally:
        made.down()


def versions(cp1: Host) -> dict[str, str]:
    """Return the version of the API server, and of each node's kubelet."""
    nodes = get(cp1, "nodes")["items"]
    kubelets = {
        node["metadata"]["name"]: node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes
    }
    said = json.loads(kubectl(cp1, "version", "-o", "json"))
    return {"api": said["serverVersion"]["gitVersion"], **kubelets}


def images(cp1: Host) -> set[str]:
    """Return the image tags of Kubernetes' own that run as pods."""
    found = {
        container["image"]
        for pod in get(cp1, "pods", "-n", "kube-system")["items"]
        for container in pod["spec"]["containers"]
    }
    return {image.rpartition(":")[2] for image in found if "/kube-" in image}


def test_a_cluster_goes_from_one_minor_to_the_next_by_one_command(
    hosts: list[Host], lab: Lab, note: Note
) -> None:
    cp1, *_ = hosts
    cluster.settle(cp1)
    before = contents.load(default_folder(BEFORE))
    old = before.components["kubernetes"]
    assert versions(cp1) == dict.fromkeys(("api", "cp1", "w1", "w2"), f"v{old}")
    budgeted.make(cp1, before.images["pause"])
    releases.stage(bundle_folder(), cp1, on=hosts)
    plan = json.loads(cp1.run("kubeception", "upgrade", "plan", "-o", "json").stdout)
    assert plan["allowed"], plan
    assert (plan["before"], plan["after"]) == (old, BUILT_IN.kubernetes)

    with ExitStack() as stack:
        ready = stack.enter_context(budgeted.watched(cp1))
        asking = [Requests.on(cp1), Requests.on(cp1, cp1.address), Requests.from_outside(cp1)]
        watched = [stack.enter_context(requests) for requests in asking]
        started_s = time.monotonic()
        cp1.run("kubeception", "upgrade", "apply", "--yes", timeout_s=900)
        took_s = time.monotonic() - started_s
        cluster.settle(cp1)

    gaps = [timeline.gap_s(timeline.spans(requests.seen)) for requests in watched]
    note(
        f"{old} to {BUILT_IN.kubernetes}, cp1 and two workers: {took_s:.1f} s; {watched[0]};"
        f" gaps {gaps}; never fewer than {min(ready)} of {budgeted.REPLICAS} pods ready"
    )
    assert [requests.failed for requests in watched] == [[], [], []]
    assert max(gaps) <= scaled(GAP_S)
    assert min(ready) >= budgeted.FEWEST
    assert set(versions(cp1).values()) == {f"v{BUILT_IN.kubernetes}"}
    assert images(cp1) == {f"v{BUILT_IN.kubernetes}"}
    assert bootstrap(cp1).changes == []
    for host in hosts:
        assert host.run("kubeception", "status", check=False).code == 0
