"""A bundle with other programs: hosts run them at the end of their next run, and pods go on."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Note
from tests.lab import cluster, releases
from tests.lab.cluster import Requests, bootstrap
from tests.lab.conftest import Names, bundle_folder
from tests.lab.machine import scaled

from kubeception.bundle import contents
from kubeception.lab import Host, Lab

pytestmark = [pytest.mark.hosts(2), pytest.mark.timeout(600)]

SLOWEST_S = 3.0
KEEPER = "keeper: kubeception-keeper.service: /opt/kubeception/current is newer than its start"


@pytest.fixture(scope="module")
def lab(new_name: Names) -> Iterator[Lab]:
    """A cluster with a worker."""
    made = Lab(new_name())
    try:
        made.up(workers=1, bundle=bundle_folder())
        made.bootstrap()
        made.join()
        yield made
    finally:
        made.down()


def test_hosts_run_the_programs_of_a_new_bundle_and_their_pods_go_on(
    hosts: list[Host], lab: Lab, note: Note, tmp_path: Path
) -> None:
    cp1, worker = hosts
    cluster.settle(cp1)
    before = {name(p): restarts(p) for p in cluster.pods(cp1)}
    bundle = releases.another(tmp_path)
    folder = Path("/opt/kubeception") / contents.load(bundle).version / "bin"

    with ExitStack() as stack:
        asking = [Requests.on(cp1), Requests.on(cp1, cp1.address), Requests.from_outside(cp1)]
        watched = [stack.enter_context(requests) for requests in asking]
        lab.up(workers=1, bundle=bundle)
        run = bootstrap(cp1)
        worker.run("kubeception", "join", timeout_s=120)
        cluster.settle(cp1)

    note(f"other programs: {run.wall_s:.1f} s, {watched[0]}; {watched[1]}; {watched[2]}")
    changed = "it runs another {0} than /usr/local/bin/{0}"
    assert run.changes == [
        KEEPER,
        *(
            f"programs: {program}.service: {changed.format(program)}"
            for program in ("containerd", "kubelet", "etcd")
        ),
    ]
    for host, programs in ((cp1, releases.PROGRAMS), (worker, ("containerd", "kubelet"))):
        assert releases.running(host, *programs) == [folder / program for program in programs]
    for requests in watched:
        # Its one member of etcd starts anew; so much is allowed where one is killed.
        assert requests.slowest_s <= scaled(SLOWEST_S)
    assert {name(p): restarts(p) for p in cluster.pods(cp1)} == before
    assert bootstrap(cp1).changes == []
    assert " 0 changes" in worker.run("kubeception", "join", timeout_s=120).stdout


def name(pod: dict[str, Any]) -> str:
    """Return what a pod and no other one is called."""
    return f"{pod['metadata']['name']} {pod['metadata']['uid']}"


def restarts(pod: dict[str, Any]) -> int:
    """Return how often containers of a pod were started again."""
    return sum(one["restartCount"] for one in pod["status"].get("containerStatuses", []))
