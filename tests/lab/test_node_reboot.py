"""Hosts that really reboot, in batches, while what runs on them is served."""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from tests.lab import cluster
from tests.lab.cluster import again_and_again, get, kubectl, quietly, until, upgrade_status
from tests.lab.conftest import Note

from kubeception.lab import Host, Lab

pytestmark = [pytest.mark.hosts(3, bundle=True), pytest.mark.timeout(600)]

WORKERS = ("w1", "w2")
REPLICAS, FEWEST = 4, 2
LABELS = {"app": "web"}
SERVE = (
    "import os, signal, http.server as h\n"
    "signal.signal(signal.SIGTERM, lambda *_: os._exit(0))\n"  # nobody does it for process 1
    "h.ThreadingHTTPServer(('', 8080), h.BaseHTTPRequestHandler).serve_forever()\n"
)


@pytest.fixture(scope="module")
def made(lab: Lab) -> Host:
    cp1, *workers = lab.hosts()
    cluster.configure(cp1)
    cluster.bootstrap(cp1)

    def join(host: Host) -> None:
        printed = cp1.run("kubeception", "token", "create", "--node", host.name).stdout
        host.run("sh", stdin=printed, timeout_s=240)

    with ThreadPoolExecutor() as pool:
        list(pool.map(join, workers))
    return cp1


@pytest.fixture
def cp1(made: Host, hosts: list[Host]) -> Host:
    assert len(hosts) == 3
    cluster.settle(made)
    return made


@pytest.fixture
def web(cp1: Host) -> Iterator[None]:
    """A Deployment on the workers, and a budget that keeps two of its four pods."""
    service = get(cp1, "deployment", "-n", "kube-system", "kubeception")
    container = {
        "name": "web",
        "image": service["spec"]["template"]["spec"]["containers"][0]["image"],
        "command": ["python3", "-c", SERVE],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": {"containers": [container]}},
        },
    }
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web"},
        "spec": {"minAvailable": FEWEST, "selector": {"matchLabels": LABELS}},
    }
    for wanted in (deployment, budget):
        kubectl(cp1, "apply", "-f", "-", stdin=json.dumps(wanted))
    kubectl(cp1, "rollout", "status", "deployment/web", "--timeout=60s")
    yield
    kubectl(cp1, "delete", "deployment,pdb", "web")


class Watched:
    """What was seen of a cluster, again and again: pods that serve, and the boots of each node."""

    def __init__(self) -> None:
        self.serving: list[int] = []
        self.down: list[int] = []
        self.boots: dict[str, list[str]] = defaultdict(list)

    def look(self, host: Host) -> None:
        found = get(host, "nodes,pods", "-n", "default")["items"]
        nodes = [one for one in found if one["kind"] == "Node"]
        pods = [one for one in found if one["kind"] == "Pod"]
        staying = [one for one in pods if "deletionTimestamp" not in one["metadata"]]
        self.serving.append(sum(map(_is_ready, staying)))
        self.down.append(sum(not _is_ready(one) for one in nodes))
        for one in nodes:
            boots = self.boots[one["metadata"]["name"]]
            boot = one["status"]["nodeInfo"]["bootID"]
            if boot not in boots:
                boots.append(boot)


def _is_ready(found: dict[str, Any]) -> bool:
    conditions = found["status"].get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


@contextmanager
def watched(host: Host) -> Iterator[Watched]:
    """Look at the cluster all the time, for the length of the block."""
    seen = Watched()
    with again_and_again(lambda: seen.look(host), every_s=0.3):
        yield seen
    seen.look(host)


def reboot(host: Host, *words: str) -> dict[str, Any]:
    """Have nodes reboot, and return what that came to."""
    done = host.run("kubeception", "node", "reboot", "-o", "json", *words, timeout_s=500)
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def node(host: Host, name: str) -> dict[str, Any]:
    found: dict[str, Any] = get(host, "node", name)
    return found


def is_untouched(found: dict[str, Any]) -> bool:
    notes = found["metadata"]["annotations"]
    return not found["spec"].get("unschedulable") and "kubeception.dev/cordoned-for" not in notes


@pytest.mark.usefixtures("web")
def test_workers_reboot_in_batches_and_a_budget_is_kept_though_the_controller_is_killed(
    cp1: Host, note: Note
) -> None:
    killed, began = threading.Event(), time.monotonic()

    def kill() -> None:
        """Kill the controller while the first host is down."""
        until(lambda: not all(map(_is_ready, get(cp1, "nodes")["items"])), timeout_s=300)
        end = "crictl ps --quiet --name '^kubeception-controller$' | xargs crictl stop --timeout 0"
        cp1.run("sh", "-c", end)
        killed.set()

    with watched(cp1) as seen, ThreadPoolExecutor(1) as pool:
        killing = pool.submit(kill)
        said = reboot(cp1, *WORKERS, "--batch", "1")
        killing.result()

    assert killed.is_set()
    assert (said["phase"], said["done"]) == ("Succeeded", "2/2")
    assert min(seen.serving) >= FEWEST, seen.serving
    assert max(seen.down) == 1
    assert {name: len(seen.boots[name]) for name in WORKERS} == dict.fromkeys(WORKERS, 2)
    assert all(is_untouched(node(cp1, name)) for name in WORKERS)
    note(
        f"two workers one after the other: {time.monotonic() - began:.1f} s; "
        f"never fewer than {min(seen.serving)} of {REPLICAS} pods ready"
    )


def test_a_batch_is_down_at_once_and_who_was_cordoned_stays_so(cp1: Host) -> None:
    kubectl(cp1, "cordon", "w2")
    with watched(cp1) as seen:
        said = reboot(cp1, *WORKERS, "--batch", "100%")

    assert said["phase"] == "Succeeded"
    assert {name: len(seen.boots[name]) for name in WORKERS} == dict.fromkeys(WORKERS, 2)
    assert is_untouched(node(cp1, "w1"))
    assert node(cp1, "w2")["spec"]["unschedulable"]
    kubectl(cp1, "uncordon", "w2")


@pytest.mark.usefixtures("web")
def test_a_budget_that_does_not_give_way_stops_it_with_no_host_down(cp1: Host) -> None:
    tight = {"spec": {"minAvailable": REPLICAS}}
    kubectl(cp1, "patch", "pdb", "web", "--type=merge", "-p", json.dumps(tight))
    before = {name: node(cp1, name)["status"]["nodeInfo"]["bootID"] for name in WORKERS}

    failed = cp1.fail("kubeception", "node", "reboot", *WORKERS, "--drain-timeout", "1s")

    assert failed.code == 1
    assert "would violate the pod's disruption budget" in failed.stderr
    assert "hint: kubeception upgrade status" in failed.stderr
    for name, boot in before.items():
        assert node(cp1, name)["status"]["nodeInfo"]["bootID"] == boot
        assert is_untouched(node(cp1, name))


def test_what_speaks_against_it_is_said_at_once(cp1: Host) -> None:
    failed = cp1.fail("kubeception", "node", "reboot", "w1", "w8", "w9")

    assert failed.code == 3
    assert failed.stderr == (
        "error: node w8: there is none of that name\nerror: node w9: there is none of that name\n"
    )


def test_a_control_plane_reboots_itself_and_goes_on(cp1: Host) -> None:
    boot = cp1.get("/proc/sys/kernel/random/boot_id")
    name = reboot(cp1, "cp1", "--no-wait")["name"]

    until(quietly(lambda: upgrade_status(cp1)["phase"] == "Succeeded"), timeout_s=180)

    assert upgrade_status(cp1)["name"] == name
    assert cp1.get("/proc/sys/kernel/random/boot_id") != boot
    assert is_untouched(node(cp1, "cp1"))
    cluster.settle(cp1)
