"""reset takes kubeception off a host and nothing else, and bootstrap works again after it."""

import json
import os
import subprocess
import time
from dataclasses import dataclass

import pytest
from tests.lab import cluster
from tests.lab.cluster import bootstrap, kubectl, until
from tests.lab.conftest import Note
from tests.lab.distribution import BUNDLE
from tests.lab.machine import scaled
from tests.shape import Shape, difference, shape

from kubeception.lab import Host, Lab
from kubeception.render import keeper
from kubeception.resources.given_out import KEEPER

pytestmark = pytest.mark.hosts(1, bundle=True)

# What somebody else may have on a host of ours.
POD = "/etc/kubernetes/manifests/theirs.yaml"
UNIT = "/etc/systemd/system/theirs.service"
SLOW = "/etc/systemd/system/slow.service"
PLUGIN = "/etc/cni/net.d/99-theirs.conflist"
TABLE = "table inet theirs"
PLUGINS = "/opt/cni/bin"
# One that no signal ends but SIGKILL, nor what it starts.
HANGS_FOR_THE_KEEPER = """#!/bin/sh
trap '' TERM
[ "$CNI_CONTAINERID" != {keeper} ] || sleep 1000
exec {plugin}
"""


def hangs(host: Host) -> bool:
    """Tell whether the keeper's plugin does."""
    return host.run("pgrep", "-f", "^sleep 1000$", check=False).code == 0


def put_strangers(host: Host) -> None:
    image = json.loads(host.get("/opt/kubeception/current/bundle.json"))["images"]["pause"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "theirs"},
        "spec": {
            "hostNetwork": True,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "theirs", "image": image}],
        },
    }
    host.put(POD, json.dumps(pod))
    host.put(UNIT, "[Service]\nExecStart=sleep infinity\n[Install]\nWantedBy=multi-user.target\n")
    # Read by no runtime: it comes after flannel's.
    host.put(PLUGIN, '{"cniVersion": "1.0.0", "name": "theirs", "plugins": []}\n')
    host.run("nft", "add", *TABLE.split())
    host.run("systemctl", "enable", "--now", "theirs.service")


def strangers(host: Host) -> list[str]:
    """Return all that can be told of them."""
    said = host.run("systemctl", "show", "-p", "ActiveState,MainPID,UnitFileState", "theirs")
    table = host.run("nft", "list", *TABLE.split())
    return [said.stdout, table.stdout, *(host.get(path) for path in (POD, UNIT, PLUGIN))]


def their_container(host: Host) -> str:
    """Return the process of the stranger's pod, as the host counts."""
    found = host.run("sh", "-c", "crictl ps --quiet --name '^theirs$' | xargs -r crictl inspect")
    pid: int = json.loads(found.stdout)["info"]["pid"]
    return str(pid)


def files_of(host: Host) -> Shape:
    """Return every file of /etc; folders that stay empty harm nobody."""
    every = shape(host.root(), "etc")
    return {path: said for path, said in every.items() if said[-1] is not None}


def links_and_tables(host: Host) -> set[str]:
    """Return the network's parts that programs of a cluster make, but for the kubelet's chains."""
    tables = host.run("nft", "list", "tables").stdout.splitlines()
    links = host.run("ls", "/sys/class/net").stdout.split()
    xtables = {f"table {ip} {name}" for ip in ("ip", "ip6") for name in ("mangle", "nat", "filter")}
    return {*tables, *links} - xtables


def reset(host: Host, *flags: str) -> list[str]:
    """Run reset to its end, and return what it changed."""
    return host.run("kubeception", "reset", "--yes", *flags, timeout_s=120).stdout.splitlines()[:-1]


@dataclass(frozen=True)
class Before:
    """What the host had before it was bootstrapped for the first time."""

    files: Shape
    strangers: list[str]


@pytest.fixture(scope="module")
def before(lab: Lab) -> Before:
    cp1 = lab.host("cp1")
    cluster.configure(cp1)
    put_strangers(cp1)
    return Before(files_of(cp1), strangers(cp1))


@pytest.fixture
def cp1(before: Before, hosts: list[Host]) -> Host:
    """A host with a cluster, whatever the test before has left of one."""
    [host] = hosts
    bootstrap(host)
    made = kubectl(host, "create", "configmap", "remembered", "--dry-run=client", "-o", "json")
    kubectl(host, "apply", "-f", "-", stdin=made)
    return host


def test_strangers_survive_a_bootstrap(before: Before, cp1: Host) -> None:
    assert strangers(cp1) == before.strangers
    assert their_container(cp1)


def test_nothing_happens_unless_somebody_says_yes(cp1: Host) -> None:
    cp1.run("kubeception", "keeper", "pause")  # it would say that a revision is proven
    there = cluster.standing(cp1)

    refused = cp1.fail("kubeception", "reset")
    ours, theirs = os.openpty()
    asked = subprocess.Popen(
        cp1.command("kubeception", "reset"), stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.write(ours, b"n\n")

    assert asked.wait(timeout=60) == 1
    assert b"removed" not in (said := os.read(ours, 4096)) and b"kept" in said
    os.close(ours)
    os.close(theirs)
    assert refused.code == 1
    assert "hint: kubeception reset --yes" in refused.stderr
    assert cluster.standing(cp1) == there
    cp1.run("kubeception", "keeper", "resume")


def test_a_reset_ends_the_cluster_and_spares_strangers(cp1: Host, note: Note) -> None:
    there, container = strangers(cp1), their_container(cp1)
    socket = "/run/containerd/containerd.sock"

    changes = reset(cp1)

    note(f"reset: {len(changes)} changes")
    assert strangers(cp1) == there
    assert cp1.run("test", "-d", f"/proc/{container}", check=False).code == 0
    assert cp1.run("systemctl", "is-active", "etcd").stdout == "active\n"
    for unit in ("kubelet", "containerd", "kubeception-keeper"):
        assert cp1.run("systemctl", "cat", unit, check=False).code != 0, unit
    assert cp1.run("test", "-e", socket, check=False).code != 0
    assert "kube-apiserver" not in cp1.run("ps", "-A", "-o", "comm").stdout
    assert links_and_tables(cp1) == {"lo", "host0", TABLE}
    assert reset(cp1) == []


def test_a_keeper_that_is_stopped_leaves_nothing_that_runs(cp1: Host, note: Note) -> None:
    plugin = f"{PLUGINS}/flannel"
    there = cp1.run("readlink", "-f", plugin).stdout.strip()
    cp1.run("rm", plugin)
    cp1.put(plugin, HANGS_FOR_THE_KEEPER.format(keeper=KEEPER, plugin=there))
    cp1.run("chmod", "+x", plugin)
    cp1.run("systemctl", "restart", keeper.UNIT)
    until(lambda: hangs(cp1), timeout_s=60)

    started = time.monotonic()
    cp1.run("systemctl", "stop", keeper.UNIT)
    took_s = time.monotonic() - started

    note(f"a keeper whose network plugin hangs ends within {took_s:.1f} s")
    assert not hangs(cp1)
    assert cp1.run("systemctl", "is-failed", keeper.UNIT, check=False).stdout == "inactive\n"
    assert took_s < scaled(5)
    cp1.run("ln", "--symbolic", "--force", there, plugin)


def test_a_unit_is_given_the_time_that_it_may_take_to_stop(cp1: Host) -> None:
    """A second takes the place of the minute and a half after which a job is given up."""
    ask = (
        "from kubeception.host import systemd",
        "systemd.JOB_TIMEOUT_S = 1.0",
        "systemd.Systemd().stop('slow.service')",
    )
    cp1.put(SLOW, "[Service]\nExecStart=sleep 1000\nExecStop=sleep 4\nTimeoutStopSec=60\n")
    cp1.run("systemctl", "start", "slow")

    cp1.run("env", f"PYTHONPATH={BUNDLE}/lib/python", "python3", "-c", "; ".join(ask))

    assert cp1.run("systemctl", "is-active", "slow", check=False).stdout == "inactive\n"
    cp1.run("rm", SLOW)


def test_a_bootstrap_brings_the_same_cluster_back(cp1: Host) -> None:
    there = strangers(cp1)
    known = kubectl(cp1, "get", "configmap", "remembered", "-o", "yaml")
    reset(cp1)

    bootstrap(cp1)

    assert kubectl(cp1, "get", "configmap", "remembered", "-o", "yaml") == known
    assert strangers(cp1) == there
    kubectl(
        cp1, "-n", "default", "wait", "--for=condition=Ready", "pod/theirs-cp1", "--timeout=100s"
    )


def test_a_full_reset_leaves_what_was_there_before(before: Before, cp1: Host) -> None:
    there = strangers(cp1)

    reset(cp1, "--etcd", "--pki")

    assert strangers(cp1) == there
    assert difference(files_of(cp1), before.files) == []
    assert links_and_tables(cp1) == {"lo", "host0", TABLE}
    cp1.fail("test", "-e", "/var/lib/etcd/default.etcd")
    assert reset(cp1, "--etcd", "--pki") == []
