"""Hosts that were copied from one another, disk and all."""

from functools import partial

import pytest
from tests.lab import cluster
from tests.lab.cluster import until, until_seen

from kubeception.lab import Host

pytestmark = [pytest.mark.hosts(2, bundle=True), pytest.mark.timeout(600)]

MACHINE_ID = "/etc/machine-id"


def test_copies_of_a_disk_are_named_and_what_is_said_helps(hosts: list[Host]) -> None:
    cp1, w1 = hosts
    w1.put(MACHINE_ID, cp1.get(MACHINE_ID))
    cluster.configure(cp1)
    cluster.bootstrap(cp1)
    w1.run("sh", stdin=cp1.run("kubeception", "token", "create", "--node", "w1").stdout)
    cause = "nodes cp1, w1 have one machine ID"

    said, _ = until_seen(partial(cluster.status, cp1), lambda said: cause in said, timeout_s=60)
    [line] = [line for line in said.splitlines() if cause in line]
    commands = line.partition("; on w1: ")[2].removesuffix("; reboot")
    w1.run("sh", "-c", commands)
    w1.reboot()

    until(lambda: cause not in cluster.status(cp1), timeout_s=90)
    assert w1.get(MACHINE_ID) != cp1.get(MACHINE_ID)
    for host in hosts:
        until(partial(cluster.is_well, host), timeout_s=90)
