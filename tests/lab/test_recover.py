"""Where the keeper stands back, `kubeception recover` brings the control plane back by hand."""

import json

import pytest
from tests.lab import cluster, healing
from tests.lab.cluster import kubectl, until
from tests.lab.conftest import Note

from kubeception.lab import Host, Lab

pytestmark = [pytest.mark.hosts(1, bundle=True), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def cp1(lab: Lab) -> Host:
    host = healing.proven(lab)
    host.run("kubeception", "keeper", "pause", "--for", "2h")
    return host


def recovered_from(host: Host, *flags: str) -> str:
    done = host.run("kubeception", "recover", "-o", "json", *flags, check=False, timeout_s=240)
    assert done.code == 0, done.stderr
    source: str = json.loads(done.stdout)["source"]
    return source


def test_an_emptied_revision_is_told_once_and_proven_anew(cp1: Host) -> None:
    [path] = healing.kept(cp1)
    cp1.run("truncate", "--size=0", path)
    told = f"{path}: not a revision that was kept"
    since = cp1.run("date", "+@%s").stdout.strip()

    run = cluster.bootstrap(cp1)
    cp1.run("kubeception", "keeper", "resume")
    until(lambda: cp1.get(path) != "", timeout_s=healing.PROOF_S)

    cp1.run("kubeception", "keeper", "pause", "--for", "2h")
    words = cp1.run("journalctl", "-u", "kubeception-keeper", f"--since={since}").stdout
    assert run.changes == []
    assert run.log.count(told) == 1
    assert words.count(told) == 1
    assert healing.kept(cp1) == [path]


def without_an_api(host: Host) -> None:
    kubectl(host, "-n", "kube-system", "delete", "daemonset", "kube-apiserver")
    until(lambda: not cluster.answers(host), timeout_s=60)


def test_what_lives_is_used(cp1: Host) -> None:
    assert recovered_from(cp1) == "api"
    cluster.settle(cp1)


def test_without_an_api_a_kept_revision_is(cp1: Host, note: Note) -> None:
    without_an_api(cp1)

    until(
        lambda: "stand back: paused" in cluster.status(cp1),
        timeout_s=20,
    )
    assert recovered_from(cp1) == "revisions"

    note("recovered by hand from a kept revision")
    cluster.settle(cp1)


def test_etcd_alone_is_enough(cp1: Host, note: Note) -> None:
    without_an_api(cp1)
    cp1.run("rm", "-r", "/var/lib/kubeception/revisions")

    refused = cp1.run("kubeception", "recover", "--from", "revisions", check=False)
    assert refused.code == 1
    assert "there is no kept revision" in refused.stderr
    assert recovered_from(cp1) == "etcd"

    note("recovered by hand from etcd alone")
    cluster.settle(cp1)
