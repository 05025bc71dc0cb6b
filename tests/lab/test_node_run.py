"""Hosts that really run a program of their administrator's, at its time, and reboot."""

import json
import time
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.lab import cluster
from tests.lab.cluster import get, kubectl, quietly, until, upgrade_status
from tests.lab.conftest import Note

from kubeception.lab import Host, Lab

pytestmark = [pytest.mark.hosts(2, bundle=True), pytest.mark.timeout(400)]

FOLDER = "/etc/kubeception/steps.d"
NAMES = ("cp1", "w1")
# In which boot it was run, once a line, and by whom.
RAN = "/var/lib/ran"
PROGRAM = f"""#!/bin/sh -e
echo "$(cat /proc/sys/kernel/random/boot_id) $(id -u) $# ${{1-}}" >> {RAN}
"""
BROKEN = """#!/bin/sh
echo "no mirror answers" >&2
exit 3
"""


@pytest.fixture(scope="module")
def made(lab: Lab) -> Host:
    cp1, w1 = lab.hosts()
    cluster.configure(cp1)
    cluster.bootstrap(cp1)
    printed = cp1.run("kubeception", "token", "create", "--node", "w1").stdout
    w1.run("sh", stdin=printed, timeout_s=240)
    return cp1


@pytest.fixture
def cp1(made: Host, hosts: list[Host]) -> Host:
    assert [host.name for host in hosts] == [*NAMES]
    cluster.settle(made)
    for host in hosts:
        host.run("rm", "-rf", FOLDER, RAN)
        host.run("install", "-d", "-m", "0755", FOLDER)
        put(host, PROGRAM)
    return made


def put(host: Host, program: str, *, mode: int = 0o755) -> None:
    host.put(f"{FOLDER}/patch", program, mode=mode)


def boots(cp1: Host) -> dict[str, str]:
    """Return each node's boot, by its id."""
    found = get(cp1, "nodes")["items"]
    return {one["metadata"]["name"]: one["status"]["nodeInfo"]["bootID"] for one in found}


def notes(cp1: Host, name: str) -> dict[str, str]:
    found: dict[str, str] = get(cp1, "node", name)["metadata"]["annotations"]
    return {key: value for key, value in found.items() if key.startswith("kubeception.dev/")}


def ran(cp1: Host, *words: str) -> dict[str, Any]:
    """Have nodes run a program, and return what that came to."""
    done = cp1.run("kubeception", "node", "run", "-o", "json", *words, timeout_s=300)
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_every_host_runs_it_once_as_root_and_without_arguments(
    cp1: Host, hosts: list[Host], note: Note
) -> None:
    before, began = boots(cp1), time.monotonic()

    said = ran(cp1, "patch", "--all")

    assert (said["phase"], said["done"]) == ("Succeeded", "2/2")
    assert said["message"] == "all nodes have run patch"
    assert boots(cp1) == before
    for host in hosts:
        assert host.get(RAN) == f"{before[host.name]} 0 0 \n"
        assert not get(cp1, "node", host.name)["spec"].get("unschedulable")
        assert "kubeception.dev/command" not in notes(cp1, host.name)
    note(f"two hosts run a program, one after the other: {time.monotonic() - began:.1f} s")


def test_and_reboots_then_once(cp1: Host, hosts: list[Host]) -> None:
    before = boots(cp1)
    [_, w1] = hosts

    said = ran(cp1, "patch", "w1", "--reboot")

    assert said["message"] == "all nodes have run patch and rebooted"
    assert w1.get(RAN) == f"{before['w1']} 0 0 \n", "once, in the boot before"
    after = boots(cp1)
    assert after["w1"] not in {before["w1"], ""}
    assert after["cp1"] == before["cp1"]
    assert not get(cp1, "node", "w1")["spec"].get("unschedulable")


def test_one_that_fails_says_why_and_its_host_does_not_reboot(cp1: Host, hosts: list[Host]) -> None:
    before = boots(cp1)
    [_, w1] = hosts
    put(w1, BROKEN)

    failed = cp1.fail("kubeception", "node", "run", "patch", "w1", "cp1", "--reboot")

    assert failed.code == 1
    assert "no mirror answers; takes no new pods" in failed.stderr
    assert boots(cp1) == before
    assert get(cp1, "node", "w1")["spec"]["unschedulable"]
    assert "kubeception.dev/command" not in notes(cp1, "w1")
    cp1.fail("test", "-e", RAN)

    put(w1, PROGRAM)
    assert ran(cp1, "patch", "w1")["phase"] == "Succeeded"
    assert not get(cp1, "node", "w1")["spec"].get("unschedulable")


def test_what_others_may_write_is_not_run(cp1: Host, hosts: list[Host]) -> None:
    [_, w1] = hosts
    put(w1, PROGRAM, mode=0o775)

    failed = cp1.fail("kubeception", "node", "run", "patch", "w1")

    assert f"{FOLDER}/patch may be written by others than root" in failed.stderr
    w1.fail("test", "-e", RAN)
    put(w1, PROGRAM)
    ran(cp1, "patch", "w1")


def test_a_batch_waits_for_its_window_by_a_clock_that_the_image_brings_along(
    cp1: Host, hosts: list[Host]
) -> None:
    [_, w1] = hosts
    there = datetime.now(ZoneInfo("Pacific/Auckland"))
    begins, ends = (f"{there + timedelta(hours=hours):%H:%M}" for hours in (2, 3))
    window = ("--window", f"{begins}-{ends}", "--time-zone", "Pacific/Auckland")

    name = ran(cp1, "patch", "w1", *window, "--no-wait")["name"]

    until(lambda: bool(upgrade_status(cp1)["nodes"]), timeout_s=30)
    said = upgrade_status(cp1)
    assert (said["phase"], said["done"]) == ("Pending", "0/1")
    assert f" at {begins} NZ" in said["message"]
    w1.fail("test", "-e", RAN)
    patch = json.dumps({"spec": {"window": None}})
    kubectl(cp1, "patch", "clusterupgrade", name, "--type=merge", "-p", patch)
    until(quietly(lambda: upgrade_status(cp1)["phase"] == "Succeeded"), timeout_s=90)
    assert w1.get(RAN).count("\n") == 1


def test_those_reboot_alone_that_want_to(cp1: Host, hosts: list[Host]) -> None:
    [_, w1] = hosts
    before = boots(cp1)
    w1.run("touch", "/var/run/reboot-required")
    until(
        lambda: notes(cp1, "w1").get("kubeception.dev/reboot-needed") == before["w1"], timeout_s=60
    )

    done = cp1.run("kubeception", "node", "reboot", "--needed", timeout_s=200)

    assert "1/1 done; all nodes have rebooted" in done.stdout
    after = boots(cp1)
    assert after["w1"] != before["w1"]
    assert after["cp1"] == before["cp1"]
    again = cp1.run("kubeception", "node", "reboot", "--all", "--needed")
    assert again.stdout == "no host wants to reboot; nothing was changed\n"
    cp1.run("touch", "/var/run/reboot-required")
    until(
        lambda: notes(cp1, "cp1").get("kubeception.dev/reboot-needed") == after["cp1"], timeout_s=60
    )
    cp1.run("rm", "/var/run/reboot-required")
    until(lambda: not notes(cp1, "cp1")["kubeception.dev/reboot-needed"], timeout_s=60)
