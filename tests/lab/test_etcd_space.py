"""An etcd that has used up its quota is told, and written to again, by the keeper alone."""

import time

import pytest
from tests.lab import cluster
from tests.lab.cluster import bootstrap, kubectl
from tests.lab.conftest import Note
from tests.lab.machine import scaled

from kubeception.lab import Host, Lab

pytestmark = [pytest.mark.hosts(1, bundle=True), pytest.mark.timeout(600)]
QUOTA = '\n[etcd.extra_args]\nquota-backend-bytes = "33554432"\n'
# Until nothing more is taken: the same key again and again, so that all of it is history.
FILL = """
value=$(head -c 100000 /dev/zero | tr '\\0' x)
while etcdctl put filling "$value" >/dev/null 2>/tmp/refused; do :; done
cat /tmp/refused
"""


@pytest.fixture(scope="module")
def cp1(lab: Lab) -> Host:
    host = lab.host("cp1")
    cluster.configure(host, more=QUOTA)
    bootstrap(host)
    return host


def journal(host: Host, since: str) -> str:
    words = ("-u", "kubeception-keeper", "-o", "cat", "--since", f"@{since.strip()}")
    return host.run("journalctl", *words).stdout


def test_the_keeper_makes_room_without_a_bootstrap(cp1: Host, note: Note) -> None:
    cp1.run("kubeception", "keeper", "pause")
    assert "database space exceeded" in cp1.run("sh", "-c", FILL, timeout_s=scaled(120)).stdout
    told = cp1.run("kubeception", "status", check=False)
    assert told.code == 1
    assert "etcd takes no writes: " in told.stdout
    refused = kubectl(cp1, "create", "configmap", "written", check=False)
    assert refused == ""

    since = cp1.run("date", "+%s").stdout
    cp1.run("kubeception", "keeper", "resume")
    started, deadline = time.monotonic(), time.monotonic() + scaled(60)
    while not kubectl(cp1, "create", "configmap", "written", "-o", "name", check=False):
        assert time.monotonic() < deadline, journal(cp1, since)
        time.sleep(cluster.LOOK_EVERY_S)
    note(f"a full etcd was written to again after {time.monotonic() - started:.1f} s")

    said = journal(cp1, since)
    assert "free space: etcd takes no writes: " in said
    freed = said.index("free space: ")
    assert "bootstrap: " not in said[:freed]
    assert cp1.run("etcdctl", "alarm", "list").stdout == ""
