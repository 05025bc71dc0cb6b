"""Other people's admission and RBAC: the way back is bound by none of it, and what is gone is back.

Each is put on a cluster that is well, and stays there while that heals.
"""

import json
import time
from collections.abc import Callable, Iterator

import pytest
from tests.lab import breaking, cluster, healing
from tests.lab.cluster import kubectl
from tests.lab.conftest import Note
from tests.lab.lot import SEED, drawn
from tests.lab.machine import scaled

from kubeception.lab import Host, Lab

pytestmark = [pytest.mark.hosts(1, bundle=True), pytest.mark.timeout(600)]
SYSTEM = ("-n", "kube-system")
ENFORCE = "pod-security.kubernetes.io/enforce"
HEALED_S = 90.0


def enforces(level: str) -> Callable[[Host], None]:
    return lambda host: _kubectl(host, "label", "namespace", "kube-system", f"{ENFORCE}={level}")


def quota(host: Host) -> None:
    _kubectl(host, *SYSTEM, "create", "quota", "of-others", "--hard=pods=0")


def limits(host: Host) -> None:
    """Of the smallest size, which none of our pods has."""
    limit = {"type": "Container", "min": {"memory": "1Gi"}}
    made = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "of-others", "namespace": "kube-system"},
        "spec": {"limits": [limit]},
    }
    kubectl(host, "apply", "-f", "-", stdin=json.dumps(made))


# What is put on kube-system, and what the status says of it.
OTHERS: dict[str, tuple[Callable[[Host], None], str]] = {
    "baseline": (enforces("baseline"), "kube-system enforces baseline: "),
    "restricted": (enforces("restricted"), "kube-system enforces restricted: "),
    "no room": (quota, "ResourceQuota kube-system/of-others has no room: "),
    "a smallest size": (limits, "a LimitRange of kube-system limits the minimum memory usage"),
}
BINDING, ROLE = "clusterrolebinding", "clusterrole"
# What Kubernetes itself needs, and goes on without for a while.
NEEDED: tuple[tuple[str, ...], ...] = (
    (BINDING, "system:kube-scheduler", "system:node-proxier"),
    (ROLE, "cluster-admin"),
    (BINDING, "system:discovery", "system:basic-user", "cluster-admin"),
    (ROLE, "system:node", "system:controller:daemon-set-controller"),
    (BINDING, "system:controller:deployment-controller", "system:public-info-viewer"),
    (ROLE, "system:kube-controller-manager", "system:kube-scheduler"),
)


def _kubectl(host: Host, *words: str) -> None:
    kubectl(host, *words)


@pytest.fixture(scope="module")
def cluster_host(lab: Lab) -> Host:
    return healing.proven(lab)


@pytest.fixture
def cp1(cluster_host: Host) -> Iterator[Host]:
    """Well, and with nobody's admission; both before and after."""
    assert healing.wait(cluster_host, patience_s=scaled(HEALED_S), until_proven=True) == []
    yield cluster_host
    kubectl(cluster_host, "label", "namespace", "kube-system", f"{ENFORCE}-")
    for kind in ("resourcequota", "limitrange"):
        kubectl(cluster_host, *SYSTEM, "delete", kind, "of-others", "--ignore-not-found")


def test_what_is_there_is_whole(cp1: Host) -> None:
    """Whatever a bootstrap makes itself is none of others'."""
    assert cluster.bootstrap(cp1).changes == []
    assert "identity:" not in cp1.run("kubeception", "status").stdout


@pytest.mark.parametrize("which", drawn(list(OTHERS), 1), ids=lambda one: f"{one} (seed {SEED})")
def test_an_api_server_comes_back_whatever_its_namespace_admits(
    which: str, cp1: Host, note: Note
) -> None:
    put, says = OTHERS[which]
    put(cp1)
    told = f"{says}"
    cluster.until(lambda: told in cluster.status(cp1), timeout_s=30)

    gone = breaking.delete_apiserver(cp1)
    started = time.monotonic()
    left = healing.wait(cp1, patience_s=scaled(HEALED_S), mended=gone)
    note(f"{which}: an API server was back after {time.monotonic() - started:.1f} s")
    assert left == []
    assert told in cp1.run("kubeception", "status").stdout


@pytest.mark.parametrize("gone", drawn(NEEDED, 1), ids=lambda one: f"{one[-1]} (seed {SEED})")
def test_what_kubernetes_needs_of_roles_is_put_back(
    gone: tuple[str, ...], cp1: Host, note: Note
) -> None:
    kind, *names = gone
    cp1.run("kubeception", "keeper", "pause")
    before = _started(cp1)
    kubectl(cp1, "delete", kind, *names)
    told = cp1.run("kubeception", "status", check=False)
    assert told.code == 1
    assert "roles and bindings to be whole" in told.stdout
    assert all(name in told.stdout for name in names)

    cp1.run("kubeception", "keeper", "resume")
    started = time.monotonic()
    cluster.until(
        lambda: all(kubectl(cp1, "get", kind, name, check=False) for name in names),
        timeout_s=scaled(HEALED_S),
    )
    note(f"{kind} {', '.join(names)}: back after {time.monotonic() - started:.1f} s")
    assert healing.wait(cp1, patience_s=scaled(HEALED_S)) == []
    assert _started(cp1) == before


def test_a_role_that_was_emptied_is_whole_again_unless_a_person_said_so(cp1: Host) -> None:
    emptied, kept = "system:kube-scheduler", "system:node-problem-detector"
    kubectl(
        cp1,
        "annotate",
        ROLE,
        kept,
        "rbac.authorization.kubernetes.io/autoupdate=false",
        "--overwrite",
    )
    for name in (emptied, kept):
        kubectl(cp1, "patch", ROLE, name, "--type=merge", "-p", '{"rules": []}')

    cluster.until(
        lambda: bool(cluster.get(cp1, ROLE, emptied)["rules"]), timeout_s=scaled(HEALED_S)
    )
    assert healing.wait(cp1, patience_s=scaled(HEALED_S)) == []
    assert not cluster.get(cp1, ROLE, kept)["rules"]


def _started(host: Host) -> dict[str, int]:
    """Return which API servers serve: none is restarted for roles."""
    return {
        pod["metadata"]["uid"]: one["restartCount"]
        for pod in cluster.pods(host)
        if pod["metadata"]["labels"].get("component") == "kube-apiserver"
        for one in pod["status"]["containerStatuses"]
    }
