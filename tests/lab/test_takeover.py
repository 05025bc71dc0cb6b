"""A cluster that the version before this one made is taken over, and nobody notices."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.conftest import Note
from tests.lab import before, cluster
from tests.lab.cluster import Requests, bootstrap
from tests.lab.conftest import Names

from kubeception.lab import Host, Lab

pytestmark = [pytest.mark.hosts(2), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def lab(new_name: Names, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A cluster with a worker, made by that version."""
    made = Lab(new_name())
    try:
        made.up(workers=1, bundle=before.bundle(tmp_path_factory.mktemp("before")))
        made.bootstrap()
        made.join()
        yield made
    finally:
        made.down()


def test_a_cluster_of_the_version_before_is_taken_over(
    hosts: list[Host], lab: Lab, note: Note
) -> None:
    cp1, worker = hosts
    cluster.settle(cp1)
    before_it = [cluster.units(host) for host in hosts]

    with ExitStack() as stack:
        asking = [Requests.on(cp1), Requests.on(cp1, cp1.address), Requests.from_outside(cp1)]
        watched = [stack.enter_context(requests) for requests in asking]
        lab.up(workers=1, bundle=cluster.bundle_folder())  # beside the other one
        run = bootstrap(cp1)
        joined = worker.run("kubeception", "join", timeout_s=120)
        cluster.settle(cp1)

    note(f"taken over: {run.wall_s:.1f} s, {len(run.changes)} changes, {watched[0]}, {watched[1]}")
    for requests in watched:
        assert requests.failed == []
        assert requests.answered > 50
    assert "changes" in joined.stdout
    assert [cluster.units(host) for host in hosts] == before_it
    assert bootstrap(cp1).changes == []
    assert " 0 changes" in worker.run("kubeception", "join", timeout_s=120).stdout
    for host in hosts:
        assert host.run("kubeception", "status", check=False).code == 0
