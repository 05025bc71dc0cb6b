"""API servers that are rolled under load: what every kind of client sees of it."""

from collections.abc import Iterator
from functools import partial

import pytest
from tests.conftest import Note
from tests.lab import clients, cluster
from tests.lab.cluster import bootstrap, until
from tests.lab.conftest import Names, bundle_folder
from tests.lab.lot import IS_SOAK
from tests.lab.machine import scaled

from kubeception.bundle import contents
from kubeception.lab import Lab

pytestmark = [pytest.mark.hosts(2), pytest.mark.timeout(1800 if IS_SOAK else 300)]

ROLLS, REQUESTS = (5, 100_000) if IS_SOAK else (1, 20_000)
SLOWEST_S = 2.0


@pytest.fixture(scope="module")
def made(new_name: Names) -> Iterator[Lab]:
    """A cluster with a worker, where an ordinary user may read and write ConfigMaps."""
    lab = Lab(new_name())
    try:
        lab.up(workers=1, bundle=bundle_folder())
        lab.bootstrap()
        lab.join()
        image = contents.load(bundle_folder()).images["pause"]
        clients.prepare(lab.host("cp1"), lab.hosts(), image=image)
        yield lab
    finally:
        lab.down()


def test_no_client_sees_a_roll(made: Lab, note: Note) -> None:
    cp1, w1 = made.hosts()
    rolled_s = []
    with clients.everywhere(cp1, w1) as loads:
        for number in range(1, ROLLS + 1):
            cluster.configure(cp1, more=f'\n[apiserver.extra_args]\nv = "{1 + number % 2}"\n')
            run = bootstrap(cp1)
            assert any("kube-apiserver" in line for line in run.changes), run.changes
            rolled_s.append(round(run.wall_s, 1))
            enough = partial(clients.have_answers, loads, REQUESTS * number / ROLLS)
            until(enough, timeout_s=200)
        cluster.settle(cp1)

    seen = clients.total(loads)
    note(f"rolls of {rolled_s} s under load: {seen}")
    assert seen.failed == []
    assert seen.lost == []
    # In the moment in which a server that ends closes what it has open.
    assert seen.told_to_ask_again <= ROLLS * len(loads) * clients.WRITERS
    assert seen.slowest_s <= scaled(SLOWEST_S)
