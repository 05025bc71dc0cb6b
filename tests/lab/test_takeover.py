"""A cluster that the version before this one made is taken over, and nobody notices."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import pytest
from tests.conftest import Note
from tests.lab import before, cluster
from tests.lab.cluster import Requests, bootstrap, get, is_well, kubectl
from tests.lab.conftest import Names
from tests.lab.machine import scaled

from kubeception.lab import Host, Lab
from kubeception.pki import issue
from kubeception.render import containerd, kubelet, kubelet_serving, proxy

pytestmark = [pytest.mark.hosts(2), pytest.mark.timeout(600)]

CA, OWN_CA = "kubernetes", "kubelet-serving-ca"
SERVES = "/var/lib/kubelet/pki/kubelet-server-current.pem"
SYSTEM = ("-n", "kube-system")
# What somebody is told whom a program that ends has not answered yet.
ENDED = re.compile(r"connection refused|connection reset by peer|\bEOF\b")


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


def has_logs(cp1: Host) -> None:
    """Want the logs of a pod of each node, which the API server asks its kubelet for."""
    # A pod that gives way to another one has none by the time that it is asked, and a kubelet
    # that was just started serves before it knows its pods: it says that there is no such pod.
    kubectl(cp1, "rollout", "status", f"daemonset/{proxy.NAME}", *SYSTEM, "--timeout=90s")
    cluster.until(lambda: all(map(logs(cp1).get, ("cp1", "w1"))), timeout_s=20)
    kubectl(cp1, "get", "--raw", "/api/v1/nodes/cp1/proxy/healthz")


def logs(cp1: Host) -> dict[str, str]:
    """Return the last line of each node's kube-proxy, "" where there is none."""
    found = get(cp1, "pods", *SYSTEM, "-l", f"k8s-app={proxy.NAME}")["items"]
    return {
        pod["spec"]["nodeName"]: kubectl(
            cp1, "logs", *SYSTEM, "--tail=1", pod["metadata"]["name"], check=False
        )
        for pod in found
        if "deletionTimestamp" not in pod["metadata"]
    }


def signer(host: Host, path: str) -> str:
    """Return who has signed a certificate."""
    return issue.issuer(host.run("cat", path).stdout.encode())


def published(cp1: Host) -> list[str]:
    """Return by which CAs others know kubelets."""
    found = get(cp1, "configmap", *SYSTEM, kubelet_serving.NAME)
    return [issue.issuer(pem) for pem in issue.certificates(kubelet_serving.of(found).encode())]


def trusted(cp1: Host) -> list[str]:
    """Return by which CAs the API server knows them."""
    path = "/etc/kubernetes/pki/kubelet-serving-ca-bundle.crt"
    found = cp1.run("cat", path).stdout.encode()
    return [issue.issuer(pem) for pem in issue.certificates(found)]


def test_a_cluster_of_the_version_before_is_taken_over(
    hosts: list[Host], lab: Lab, note: Note
) -> None:
    cp1, worker = hosts
    cluster.settle(cp1)
    before_it = [cluster.units(host) for host in hosts]
    has_logs(cp1)

    with ExitStack() as stack:
        asking = [Requests.on(cp1), Requests.on(cp1, cp1.address), Requests.from_outside(cp1)]
        asking.append(Requests.of_kubelet(cp1, "cp1"))
        watched = [stack.enter_context(requests) for requests in asking]
        of_worker = stack.enter_context(Requests.of_kubelet(cp1, "w1"))
        lab.up(workers=1, bundle=cluster.bundle_folder())  # beside the other one
        run = bootstrap(cp1)
        # The worker's kubelet serves on by what the cluster's CA has signed, which is trusted too.
        assert signer(worker, SERVES) == CA
        assert signer(cp1, "/etc/kubernetes/pki/kubelet-server.crt") == OWN_CA
        assert trusted(cp1) == published(cp1) == [OWN_CA, CA]
        has_logs(cp1)
        joined = worker.run("kubeception", "join", timeout_s=scaled(120))
        assert signer(worker, SERVES) == OWN_CA
        has_logs(cp1)
        cluster.settle(cp1)
        moved = bootstrap(cp1)

    note(f"taken over: {run.wall_s:.1f} s, {len(run.changes)} changes, {watched[0]}, {watched[1]}")
    for requests in watched:
        assert requests.failed == []
        assert requests.answered > 50
    # Its kubelet was started anew, once, and nobody took what it serves with for another's.
    note(f"the worker's kubelet: {of_worker}")
    assert [why for why in of_worker.failed if not ENDED.search(why)] == []
    assert of_worker.answered > 50
    assert "changes" in joined.stdout
    after_it = [cluster.units(host) for host in hosts]
    for was, now in zip(before_it, after_it, strict=True):
        # Its settings import those of other people now; pods go on while it starts anew.
        assert was.pop(containerd.UNIT) != now.pop(containerd.UNIT)
    assert after_it[0] == before_it[0]
    assert before_it[1].pop(kubelet.UNIT) != after_it[1].pop(kubelet.UNIT)
    assert after_it[1] == before_it[1]

    assert trusted(cp1) == published(cp1) == [OWN_CA]
    assert all(change.startswith("serving: ") for change in moved.changes)
    assert bootstrap(cp1).changes == []
    worker.run("kubeception", "join", timeout_s=scaled(120))  # it is told the same
    assert " 0 changes" in worker.run("kubeception", "join", timeout_s=scaled(120)).stdout
    has_logs(cp1)
    cluster.settle(cp1)
    for host in hosts:
        cluster.until(partial(is_well, host), timeout_s=60)
        assert host.run("kubeception", "certs", "check", check=False).code == 0
