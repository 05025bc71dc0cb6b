"""From one minor of Kubernetes to the next by one command, and back: the API and pods go on.

It needs the bundle of the release before (`kubeception bundle build --release 1.36`), which takes
longer to build than everything else: `make soak` has it collected.
"""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.conftest import Note
from tests.lab import budgeted, cluster, releases
from tests.lab.cluster import Requests, bootstrap, get, kubectl, until, upgrade_status
from tests.lab.conftest import Names, bundle_folder
from tests.lab.found import errors, findings
from tests.lab.machine import scaled

from kubeception.bundle import contents
from kubeception.bundle.build import default_folder
from kubeception.lab import Host, Lab
from kubeception.versions import BUILT_IN

pytestmark = [pytest.mark.hosts(3), pytest.mark.timeout(1800)]

BEFORE = "1.36"
# Its one member of etcd starts anew at the end.
SLOWEST_S = 3.0


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


def passes_for(cp1: Host) -> str:
    """Return the minor that the API server says it serves."""
    said = json.loads(kubectl(cp1, "get", "--raw", "/version"))
    return f"{said['emulationMajor']}.{said['emulationMinor']}"


def asking(stack: ExitStack, cp1: Host) -> list[Requests]:
    """Have the API asked all the time, from three sides."""
    every = [Requests.on(cp1), Requests.on(cp1, cp1.address), Requests.from_outside(cp1)]
    return [stack.enter_context(requests) for requests in every]


def slowest_s(watched: list[Requests]) -> float:
    """Return how long the slowest answer took; none may have failed."""
    assert [requests.failed for requests in watched] == [[], [], []]
    return max(requests.slowest_s for requests in watched)


def images(cp1: Host) -> set[str]:
    """Return the image tags of Kubernetes' own that run as pods."""
    found = {
        container["image"]
        for pod in get(cp1, "pods", "-n", "kube-system")["items"]
        for container in pod["spec"]["containers"]
    }
    return {image.rpartition(":")[2] for image in found if "/kube-" in image}


@pytest.fixture(scope="module")
def old(lab: Lab) -> str:
    """The version before, which all run; the next one is staged."""
    cp1, *_ = hosts = lab.hosts()
    cluster.settle(cp1)
    before = contents.load(default_folder(BEFORE))
    version = before.components["kubernetes"]
    assert versions(cp1) == dict.fromkeys(("api", "cp1", "w1", "w2"), f"v{version}")
    budgeted.make(cp1, before.images["pause"])
    releases.stage(bundle_folder(), cp1, on=hosts)
    return version


def test_an_abort_takes_all_back_to_the_minor_before(
    hosts: list[Host], old: str, note: Note
) -> None:
    """Whatever was written meanwhile is read by the API server of before."""
    cp1, *_ = hosts

    def state(node: str) -> str:
        found = upgrade_status(cp1)["nodes"] or []
        return next((str(one["state"]) for one in found if one["name"] == node), "")

    with ExitStack() as stack:
        ready = stack.enter_context(budgeted.watched(cp1))
        watched = asking(stack, cp1)
        cp1.run("kubeception", "upgrade", "apply", "--yes", "--no-wait", timeout_s=120)
        until(lambda: state("w1") == "Done", timeout_s=400)
        there = versions(cp1)
        assert (there["api"], there["w1"]) == (f"v{BUILT_IN.kubernetes}",) * 2
        assert passes_for(cp1) == BEFORE
        kubectl(cp1, "create", "configmap", "written", "--from-literal=by=the-later-one")
        began_s = time.monotonic()
        cp1.run("kubeception", "upgrade", "abort")
        until(lambda: is_back(cp1), timeout_s=600)
        took_s = time.monotonic() - began_s
        cluster.settle(cp1)

    note(
        f"aborted when cp1 and w1 ran {BUILT_IN.kubernetes}: all on {old} after {took_s:.1f} s;"
        f" {watched[0]}; never fewer than {min(ready)} of {budgeted.REPLICAS} pods ready"
    )
    assert slowest_s(watched) <= scaled(SLOWEST_S)
    assert min(ready) >= budgeted.FEWEST
    assert kubectl(cp1, "get", "configmap", "written", "-o", "jsonpath={.data.by}")
    check_all_run(old, hosts)


def check_all_run(version: str, hosts: list[Host]) -> None:
    """Expect all of it to be of one version, and well, and nothing left to do."""
    cp1, *_ = hosts
    assert set(versions(cp1).values()) == {f"v{version}"}
    assert images(cp1) == {f"v{version}"}
    assert bootstrap(cp1).changes == []
    for host in hosts:
        assert host.run("kubeception", "status", check=False).code == 0


def is_back(cp1: Host) -> bool:
    """Whether the way back has come to its end."""
    found = upgrade_status(cp1)
    return "-back-" in found["name"] and found["phase"] == "Succeeded"


def test_a_cluster_goes_from_one_minor_to_the_next_by_one_command(
    hosts: list[Host], old: str, note: Note
) -> None:
    cp1, *_ = hosts
    plan = json.loads(cp1.run("kubeception", "upgrade", "plan", "-o", "json").stdout)
    assert plan["allowed"], plan
    assert (plan["before"], plan["after"]) == (old, BUILT_IN.kubernetes)

    with ExitStack() as stack:
        ready = stack.enter_context(budgeted.watched(cp1))
        watched = asking(stack, cp1)
        started_s = time.monotonic()
        cp1.run("kubeception", "upgrade", "apply", "--yes", timeout_s=900)
        took_s = time.monotonic() - started_s
        passed_s = until(lambda: passes_for(cp1) == BUILT_IN.minor, timeout_s=300)
        cluster.settle(cp1)

    note(
        f"{old} to {BUILT_IN.kubernetes}, cp1 and two workers: {took_s:.1f} s, for good"
        f" {passed_s:.0f} s later; {watched[0]};"
        f" never fewer than {min(ready)} of {budgeted.REPLICAS} pods ready"
    )
    assert slowest_s(watched) <= scaled(SLOWEST_S)
    assert min(ready) >= budgeted.FEWEST
    check_all_run(BUILT_IN.kubernetes, hosts)
    refused = cp1.fail("kubeception", "upgrade", "abort")
    assert "has ended well, so nothing is under way" in refused.stderr


def test_a_bundle_of_the_minor_before_is_refused_until_a_later_one_is_in_use_again(
    hosts: list[Host],
) -> None:
    """What the test before has left: the API serves what the later minor has written."""
    cp1, *_ = hosts
    listed = json.loads(cp1.run("kubeception", "bundle", "list", "-o", "json").stdout)
    (later,) = (one["name"] for one in listed if one["in_use"])
    (before,) = (one["name"] for one in listed if one["kubernetes"].startswith(BEFORE))
    cp1.run("kubeception", "bundle", "import", f"/opt/kubeception/{before}")

    found = findings(cp1)["VersionSkew"]
    refused = cp1.run("kubeception", "bootstrap", check=False)

    assert (refused.code, found["severity"]) == (3, "error")
    command, _, which = found["hint"].partition(", ")
    assert which == f"one of {BUILT_IN.minor} by bundle list"
    cp1.run("sh", "-c", command.replace("NAME", later))
    assert errors(cp1) == set()
    # The keeper starts anew, as after any other import.
    assert {change.partition(":")[0] for change in bootstrap(cp1).changes} <= {"keeper"}
    check_all_run(BUILT_IN.kubernetes, hosts)
