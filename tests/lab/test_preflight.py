"""Everything that is wrong with a host is told at once, and nothing of it is touched."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.lab import cluster
from tests.lab.cluster import bootstrap
from tests.lab.conftest import Note
from tests.lab.found import errors, findings
from tests.lab.machine import scaled

from kubeception.host.process import Completed
from kubeception.lab import Host

SETTINGS = ("/etc", "/opt", "/usr/local")
STATE = ("/var/lib/etcd", "/var/lib/kubelet", "/root")
CA_KEY = "/etc/kubernetes/pki/ca.key"
ETCD = "/usr/local/bin/etcd"
ETCD_DATA = "/var/lib/etcd/default.etcd"
# Says that it listens, and does so until its input ends.
LISTEN = (
    "import socket, sys\n"
    "server = socket.create_server(('0.0.0.0', int(sys.argv[1])))\n"
    "import os; print(os.getpid(), flush=True); sys.stdin.read()\n"
)

pytestmark = pytest.mark.hosts(1, bundle=True)


@contextmanager
def stranger(host: Host, port: int) -> Iterator[str]:
    """Have somebody listen on a port; yields the pid."""
    process = subprocess.Popen(
        host.command("python3", "-c", LISTEN, str(port)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.communicate("", timeout=30)


def tree(host: Host, *more: str) -> str:
    """Return every file of the folders that bootstrap writes to: mode, owner, size, times."""
    folders = (*SETTINGS, *more)
    shown = "%p %l %m %U %s %T@ %C@\\n"
    return host.run("find", *folders, "-printf", shown).stdout


def test_a_host_as_it_should_be_has_no_problem(fresh: Host) -> None:
    before = tree(fresh, *STATE)

    done = fresh.run("kubeception", "preflight")

    assert "preflight: 0 errors" in done.stdout
    assert tree(fresh, *STATE) == before


def test_a_dry_run_of_a_bare_host_plans_a_cluster_and_changes_nothing(fresh: Host) -> None:
    fresh.run("kubeception", "preflight")  # what Python compiles meanwhile is none of it
    before = tree(fresh, *STATE), fresh.run("ls", "/run", "/var/lib").stdout

    text = fresh.run("kubeception", "bootstrap", "--dry-run", check=False)
    said = fresh.run("kubeception", "bootstrap", "--dry-run", "-o", "json", check=False)
    joined = fresh.run("kubeception", "join", "--dry-run", check=False)
    undone = fresh.run("kubeception", "reset", "--dry-run", "-o", "json", check=False)

    plan = json.loads(said.stdout)
    changes = {(one["phase"], one["thing"]): one["drift"] for one in plan["changes"]}
    not_planned = {one["phase"]: one for one in plan["not_planned"]}
    assert (text.code, said.code, joined.code) == (10, 10, 10), text.stderr
    assert changes["pki", "/etc/kubernetes/pki/ca.crt"] == "missing"
    assert changes["etcd", "etcd.service"] == "no such unit"
    assert len(not_planned["control-plane"]["things"]) > 30
    assert "/etc/kubernetes/pki/ca.crt: no such file" in not_planned["control-plane"]["why"]
    assert "+[Service]" in text.stdout
    assert "kubelet: not planned: kubelet: the cluster says" in joined.stdout
    assert (undone.code, json.loads(undone.stdout)["changes"]) == (0, [])
    assert (tree(fresh, *STATE), fresh.run("ls", "/run", "/var/lib").stdout) == before


def test_all_problems_are_told_at_once_and_nothing_is_changed(fresh: Host) -> None:
    cluster.configure(fresh, more='\n[node]\naddress = "192.0.2.77"\n')
    truncated = "-----BEGIN PRIVATE KEY-----\nMIGH"
    fresh.put(CA_KEY, truncated, mode=0o600)
    # Another program of that name: only its own answer tells.
    fresh.run("ln", "-sfn", "/opt/kubeception/current/bin/etcdctl", ETCD)
    fresh.run("mount", "-t", "tmpfs", "-o", "size=1m,ro", "none", "/var/lib/etcd")
    before = tree(fresh, *STATE)
    try:
        with stranger(fresh, 6443) as pid:
            done = fresh.run("kubeception", "bootstrap", check=False)
    finally:
        fresh.run("umount", "/var/lib/etcd")

    assert done.code == 3
    told = [line for line in done.stderr.splitlines() if line.startswith(("error: ", "hint: "))]
    problems = told[::2]
    assert all(hint.startswith("hint: ") for hint in told[1::2])
    assert [problem.split(": ")[1] for problem in problems] == [
        "EtcdVersion",
        "Port-6443",
        "Address",
        "FileContent--etc-kubernetes-pki-ca.key",
        "Disk--var-lib-etcd",
    ]
    assert f"python3 (pid {pid}) listens on 0.0.0.0:6443" in problems[1]
    assert f"192.0.2.77 is not on this host, which has {fresh.address}" in problems[2]
    assert f"{CA_KEY}: is no private key" in problems[3]
    assert fresh.get(CA_KEY) == truncated
    assert without_etcd(tree(fresh, *STATE)) == without_etcd(before)

    fresh.run("rm", CA_KEY)
    fresh.run("ln", "-sfn", "/opt/kubeception/current/bin/etcd", ETCD)
    cluster.configure(fresh)
    assert errors(fresh) == set()


def without_etcd(listing: str) -> list[str]:
    """Leave out what was mounted for a while."""
    return [line for line in listing.splitlines() if not line.startswith("/var/lib/etcd")]


def test_an_etcd_that_is_too_old_says_so_itself(fresh: Host) -> None:
    fresh.put("/tmp/etcd", '#!/bin/sh\necho "etcd Version: 3.4.23"\n', mode=0o755)
    fresh.run("ln", "-sfn", "/tmp/etcd", ETCD)
    try:
        found = findings(fresh)["EtcdVersion"]
    finally:
        fresh.run("ln", "-sfn", "/opt/kubeception/current/bin/etcd", ETCD)

    assert found["problem"] == f"{ETCD}: is etcd 3.4.23"
    assert "3.5.13 or later" in found["hint"]


def test_a_program_that_is_missing_is_named(fresh: Host) -> None:
    fresh.run("mv", "/usr/local/bin/kubelet", "/root/kubelet")
    try:
        found = findings(fresh)
    finally:
        fresh.run("mv", "/root/kubelet", "/usr/local/bin/kubelet")

    assert found["FileExisting-kubelet"]["problem"] == "/usr/local/bin/kubelet: no such file"


def test_a_short_path_and_a_strict_umask_change_nothing(fresh: Host) -> None:
    bare = "env --ignore-environment HOME=/root PATH=/usr/bin:/bin /usr/local/bin/kubeception"

    fresh.run("sh", "-c", f"umask 077; exec {bare} bootstrap", timeout_s=240)

    cluster.settle(fresh)
    assert bootstrap(fresh).changes == []


def test_without_root_it_says_so_and_ends_with_3(fresh: Host) -> None:
    nobody = ("setpriv", "--reuid=65534", "--clear-groups")

    for command in ("preflight", "bootstrap"):
        done = fresh.run(*nobody, "kubeception", command, check=False)

        assert done.code == 3
        assert "IsPrivilegedUser" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


@pytest.fixture
def failed(fresh: Host) -> Iterator[Completed]:
    """A bootstrap whose etcd can't start."""
    fresh.put(ETCD_DATA, "a file where its folder should be")
    yield fresh.run("kubeception", "bootstrap", check=False, timeout_s=120)
    fresh.run("sh", "-c", f"test ! -f {ETCD_DATA} || rm {ETCD_DATA}")


def test_an_etcd_that_cannot_start_has_the_last_word(failed: Completed) -> None:
    done = failed

    assert done.code == 1
    told = done.stderr[done.stderr.index("error: ") :].splitlines()
    assert told[0].startswith("error: etcd.service failed: ")
    assert [line for line in told[1:-1] if line.startswith("  ") and "not a directory" in line]
    assert told[-1] == "hint: journalctl -u etcd.service -n 50"


def test_what_a_failed_run_left_is_no_stranger_to_the_next_one(
    fresh: Host, failed: Completed
) -> None:
    assert failed.code == 1
    # etcd is being started again and again, containerd runs, every certificate is there.
    assert errors(fresh) == set()

    fresh.run("rm", ETCD_DATA)
    bootstrap(fresh)
    cluster.settle(fresh)


def test_nobody_on_a_host_with_a_cluster_is_a_stranger(cp1: Host, note: Note) -> None:
    assert errors(cp1) == set()

    # The other lab may be at its busiest once, and not three times.
    again = [bootstrap(cp1) for _ in range(3)]

    assert [run.changes for run in again] == [[], [], []]
    preflight_s = min(run.seconds["preflight"] for run in again)
    note(f"bootstrap again: {again[0].wall_s:.1f} s, {preflight_s:.1f} of it preflight")
    assert preflight_s <= scaled(1)


@pytest.mark.parametrize("unit", ["etcd.service", "kubelet.service", "containerd.service"])
def test_what_bootstrap_would_mend_is_no_problem(cp1: Host, unit: str) -> None:
    cp1.run("systemctl", "stop", unit)
    try:
        found = errors(cp1)
    finally:
        cp1.run("systemctl", "start", unit)

    assert found == set()


def test_a_ca_key_that_was_cut_off_is_told_and_the_cluster_let_alone(cp1: Host) -> None:
    whole = cp1.get(CA_KEY)
    cp1.put(CA_KEY, whole[:100], mode=0o600)
    try:
        before = tree(cp1)
        done = cp1.run("kubeception", "bootstrap", check=False)
        status = cp1.run("kubeception", "status", check=False)
        after = tree(cp1)
    finally:
        cp1.put(CA_KEY, whole, mode=0o600)

    assert (done.code, status.code) == (3, 1)
    assert f"{CA_KEY}: is no private key" in done.stderr
    assert "Traceback" not in done.stderr + status.stderr
    assert after == before


def test_a_webhook_that_nobody_answers_stops_a_run_but_not_a_rebuild(cp1: Host) -> None:
    rule = {
        "operations": ["*"],
        "apiGroups": ["apps"],
        "apiVersions": ["*"],
        "resources": ["deployments", "daemonsets"],
    }
    webhook = {
        "name": "guard.example.org",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {"service": {"name": "guard", "namespace": "demo"}},
        "rules": [rule],
    }
    kind = "ValidatingWebhookConfiguration"
    wanted = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": "guard"},
        "webhooks": [webhook],
    }
    cluster.settle(cp1)
    cluster.kubectl(cp1, "apply", "-f", "-", stdin=json.dumps(wanted))

    refused = cp1.run("kubeception", "bootstrap", check=False)

    assert refused.code == 3
    assert f"error: Webhook-guard: {kind} guard: guard.example.org must answer" in refused.stderr
    assert "there is no Service demo/guard" in refused.stderr
    told = cluster.status(cp1)
    assert "guard.example.org must answer for kube-system" in told
    bootstrap(cp1, "--rebuild")

    mends = findings(cp1)["Webhook-guard"]["hint"].partition(": ")[2]
    admin = "KUBECONFIG=/etc/kubernetes/admin.conf"
    cp1.run("sh", "-c", f"{admin} {mends}")
    bootstrap(cp1)
    # It is left to whom it is for, who can make nothing until somebody answers.
    told = cluster.status(cp1)
    assert "guard.example.org must answer for daemonsets, deployments: " in told
    assert "must answer for kube-system" not in told
    cluster.kubectl(cp1, "delete", kind.lower(), "guard")
    cluster.settle(cp1)
