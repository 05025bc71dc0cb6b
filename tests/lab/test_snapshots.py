"""Whatever becomes of etcd's data, a snapshot gives the cluster back, and workers stay joined."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.lab import cluster, healing, losing
from tests.lab.cluster import bootstrap, get, kubectl, until
from tests.lab.conftest import Note
from tests.lab.losing import AT, DATA
from tests.lab.machine import scaled

from kubeception import crash
from kubeception.lab import Host, Lab

pytestmark = [pytest.mark.hosts(2, bundle=True), pytest.mark.timeout(600)]

SNAPSHOTS = AT.snapshots
EVERY_S = 20
SETTLED_S = 90.0


@pytest.fixture(scope="module")
def made(lab: Lab) -> list[Host]:
    cp1, w1 = lab.hosts()
    cluster.configure(cp1, more=f'\n[etcd]\nsnapshot_interval = "{EVERY_S}s"\n')
    bootstrap(cp1)
    command = cp1.run("kubeception", "token", "create", "--node", w1.name).stdout
    w1.run("sh", stdin=command, timeout_s=240)
    kubectl(cp1, "create", "configmap", "before")
    deployed(cp1, "kept")
    return [cp1, w1]


@pytest.fixture
def cp1(made: list[Host], hosts: list[Host]) -> Host:
    assert len(hosts) == 2
    assert healing.wait(made[0], patience_s=scaled(SETTLED_S)) == []
    return made[0]


def deployed(host: Host, name: str) -> None:
    """Have a pod run on the worker."""
    image = (
        "localhost/kubeception/pause:"
        + json.loads(host.get("/opt/kubeception/current/bundle.json"))["images"][
            "pause"
        ].rpartition(":")[2]
    )
    kubectl(host, "create", "deployment", name, f"--image={image}")
    until(lambda: len(running(host, name)) == 1, timeout_s=60)


def running(host: Host, name: str) -> list[dict[str, Any]]:
    found = get(host, "pods", "-l", f"app={name}")["items"]
    return [pod for pod in found if cluster.is_ready(pod) and pod["status"]["phase"] == "Running"]


def listed(host: Host) -> list[dict[str, Any]]:
    told = host.run("kubeception", "etcd", "list", "-o", "json", timeout_s=60).stdout
    found: list[dict[str, Any]] = json.loads(told)["snapshots"]
    return found


def after_a_snapshot(host: Host, *argv: str) -> str:
    """Run a command that takes a snapshot; where the keeper takes one just now, after that."""
    while True:
        done = host.run(*argv, check=False, timeout_s=120)
        if not re.search("snapshots.lock is held by .* etcd snapshot", done.stderr):
            assert done.code == 0, done.stderr
            return done.stdout


def snapshot(host: Host) -> str:
    """Take one and return its name."""
    said = after_a_snapshot(host, "kubeception", "etcd", "snapshot")
    [name] = re.findall(r"/(manual-\w+)\.db: ", said)
    return str(name)


def pause(host: Host) -> None:
    """Have the keeper take no snapshots; one that it has begun comes to its end first."""
    host.run("kubeception", "keeper", "pause", "--for", "2h")
    begun = ("pgrep", "--full", "etcd snapshot --[b]y-keeper")  # not whoever asks
    until(lambda: host.run(*begun, check=False).code == 1, timeout_s=60)


def cluster_id(host: Host) -> str:
    return str(json.loads(host.get(AT.member))["cluster"])


def containers(host: Host, name: str) -> list[str]:
    return host.run("crictl", "ps", "--quiet", "--name", name).stdout.split()


def is_back(cp1: Host, w1: Host, *, credential: str) -> None:
    """See that the cluster is what it was at the snapshot, on both hosts, and goes on."""
    assert healing.wait(cp1, patience_s=scaled(SETTLED_S)) == []
    assert kubectl(cp1, "get", "configmap", "before")
    assert kubectl(cp1, "get", "configmap", "after", "--ignore-not-found") == ""
    assert kubectl(cp1, "get", "deployment", "later", "--ignore-not-found") == ""
    # Whoever watches lists anew: the kubelet ends what is no more, and starts what is new.
    until(lambda: not running_on(w1, "later"), timeout_s=60)
    until(lambda: len(running(cp1, "kept")) == 1, timeout_s=60)
    deployed(cp1, "new")
    kubectl(cp1, "delete", "deployment", "new")
    [worker] = [n for n in get(cp1, "nodes")["items"] if n["metadata"]["name"] == w1.name]
    assert any(
        c["type"] == "Ready" and c["status"] == "True" for c in worker["status"]["conditions"]
    )
    assert own_credential(w1) == credential
    # Its kube-proxy, of which nothing else here tells, lists anew by itself.
    until(lambda: cluster.is_well(w1), timeout_s=60)


def running_on(host: Host, name: str) -> list[str]:
    """Return the pods of a Deployment that a host's runtime has."""
    told = host.run("crictl", "pods", "--state", "ready", "--name", f"{name}-", "--quiet").stdout
    return told.split()


def own_credential(host: Host) -> str:
    return host.run("sha256sum", str(AT.kubelet.renewed_client)).stdout


def test_the_keeper_takes_them_and_keeps_one_of_an_hour(cp1: Host) -> None:
    def hourly() -> list[dict[str, Any]]:
        return [one for one in listed(cp1) if one["name"].startswith("hourly-")]

    until(lambda: bool(hourly()), timeout_s=120)
    first = hourly()[0]["name"]
    until(lambda: hourly()[0]["name"] != first, timeout_s=scaled(EVERY_S + 30))

    found = hourly()
    hours = [one["taken"][:13] for one in found]
    assert len(set(hours)) == len(hours)
    assert all(one["verified"] for one in found)
    status = cp1.run("kubeception", "status").stdout
    assert re.search(r"^snapshots: \d+, the last at ", status, re.MULTILINE)
    modes = cp1.run("sh", "-c", f"stat -c %a {SNAPSHOTS} {SNAPSHOTS}/*").stdout.split()
    assert modes[0] == "700"
    assert set(modes[1:]) == {"600"}


def test_what_keeps_the_keeper_from_it_is_told(cp1: Host) -> None:
    pause(cp1)  # or it would make the folder between the two
    cp1.run("mv", str(SNAPSHOTS), f"{SNAPSHOTS}.away")
    cp1.run("touch", str(SNAPSHOTS))
    cp1.run("kubeception", "keeper", "resume")

    def told() -> str:
        return cluster.status(cp1)

    until(lambda: "snapshots: ! the last try failed at" in told(), timeout_s=scaled(EVERY_S + 60))
    journal = cp1.run("journalctl", "-u", "kubeception-keeper", "-o", "cat", "-n", "50").stdout
    assert f"snapshot of etcd: {SNAPSHOTS}" in journal

    pause(cp1)
    cp1.run("rm", str(SNAPSHOTS))
    cp1.run("mv", f"{SNAPSHOTS}.away", str(SNAPSHOTS))
    cp1.run("kubeception", "keeper", "resume")
    cp1.run("systemctl", "restart", "kubeception-keeper")
    until(lambda: "the last try failed" not in told(), timeout_s=scaled(EVERY_S + 60))


def test_lost_data_come_back_by_the_command_that_the_error_names(
    cp1: Host, made: list[Host], note: Note
) -> None:
    w1, before, credential = made[1], cluster_id(cp1), own_credential(made[1])
    pause(cp1)  # it would take a newer one
    name = snapshot(cp1)
    kubectl(cp1, "create", "configmap", "after")
    deployed(cp1, "later")
    cp1.run("systemctl", "stop", "etcd")
    cp1.run("rm", "-rf", f"{DATA}/member")

    said = cp1.fail("kubeception", "bootstrap")

    assert said.code == 3
    assert f"restore the last good snapshot, {name}" in said.stderr
    [command] = re.findall(r"(kubeception recover --from snapshot)", said.stderr)
    cp1.run("systemctl", "start", "--no-block", "etcd")
    until(lambda: command in journal(cp1), timeout_s=30)
    done = cp1.run(*command.split(), "-o", "json", timeout_s=300)
    cp1.run("kubeception", "keeper", "resume")

    assert json.loads(done.stdout)["snapshot"] == name
    assert cluster_id(cp1) != before
    is_back(cp1, w1, credential=credential)
    took = sum(json.loads(done.stdout)["seconds"].values())
    note(f"recovered from a snapshot in {took:.1f} s")


def journal(host: Host) -> str:
    return host.run("journalctl", "-u", "etcd", "-o", "cat", "-n", "40").stdout


def test_a_corrupt_database_names_the_last_good_one(cp1: Host, made: list[Host]) -> None:
    w1, credential = made[1], own_credential(made[1])
    pause(cp1)  # it would take a newer one
    good = snapshot(cp1)
    until(lambda: cp1.run("date", "-u", "+%Y%m%dT%H%M%SZ").stdout.strip() not in good, timeout_s=5)
    spoiled = snapshot(cp1)
    flip = f"printf X | dd of={SNAPSHOTS}/{spoiled}.db bs=1 seek=5000 conv=notrunc"
    cp1.run("sh", "-c", flip)
    cp1.run("systemctl", "stop", "etcd")
    cp1.run("dd", "if=/dev/urandom", f"of={DATA}/member/snap/db", "bs=4096", "count=30")

    said = cp1.fail("kubeception", "bootstrap")

    assert f"error: {DATA}: etcd can't read its data" in said.stderr
    assert f"restore the last good snapshot, {good}," in said.stderr
    [row] = [one for one in listed(cp1) if one["name"] == spoiled]
    assert "damaged" in row["problem"]
    refused = cp1.fail("kubeception", "recover", "--from", "snapshot", "--snapshot", spoiled)
    assert refused.code == 3
    assert "is damaged" in refused.stderr
    cp1.run("kubeception", "recover", "--from", "snapshot", timeout_s=300)
    cp1.run("kubeception", "keeper", "resume")
    is_back(cp1, w1, credential=credential)
    cp1.run("rm", f"{SNAPSHOTS}/{spoiled}.db")


def test_a_healthy_etcd_is_not_replaced_unasked(cp1: Host) -> None:
    name, before = snapshot(cp1), cluster_id(cp1)

    said = cp1.fail("kubeception", "etcd", "restore", name)

    assert f"hint: kubeception etcd restore {name} --yes" in said.stderr
    assert cluster_id(cp1) == before
    assert cluster.answers(cp1)


def test_another_clusters_snapshot_is_refused(cp1: Host) -> None:
    path = f"/root/{snapshot(cp1)}.db"
    cp1.run("sh", "-c", f"cp {SNAPSHOTS}/{Path(path).name}* /root")
    cp1.run("sed", "-i", 's/"authority": "..../"authority": "0123/', f"{path}.json")

    said = cp1.fail("kubeception", "etcd", "restore", path, "--yes")

    assert said.code == 3
    assert f"{path}: is of another cluster, {cluster_id(cp1)}" in said.stderr
    assert f"--accept-cluster {cluster_id(cp1)}" in said.stderr
    assert cluster.answers(cp1)


def test_a_restore_that_is_killed_anywhere_is_finished_by_the_next(
    cp1: Host, made: list[Host], note: Note
) -> None:
    w1, credential = made[1], own_credential(made[1])
    name = snapshot(cp1)
    kubectl(cp1, "create", "configmap", "after")
    restore = ("kubeception", "etcd", "restore", name, "--yes")
    steps = [
        f"restore the snapshot to {DATA}/.member.kubeception-unfinished",
        f"move to {DATA}/member/snap",
        f"move to {DATA}/member/wal",
        f"rename to {AT.member}",
    ]
    for step in steps:
        killing = ("env", f"{crash.AT}={step}")
        killed = cluster.after_the_keeper(cp1, *killing, *restore)
        assert killed.code == 128 + 9, f"{step}: {killed.stderr}"
        if step != steps[0]:
            cp1.run("systemctl", "start", "--no-block", "etcd")
            until(lambda: "recover --from snapshot" in journal(cp1), timeout_s=30)

    done = cluster.after_the_keeper(cp1, *restore)

    assert done.code == 0, done.stderr
    is_back(cp1, w1, credential=credential)
    note(f"killed at {len(steps)} steps of a restore")


BACKUP, KEY = "/root/today.age", "/root/backup.key"


def test_a_backup_gives_the_cluster_back_on_a_fresh_host(
    cp1: Host, made: list[Host], note: Note
) -> None:
    w1, credential = made[1], own_credential(made[1])
    keys = losing.authorities(cp1)
    public = cp1.run("kubeception", "backup", "keygen", KEY).stdout.strip()
    after_a_snapshot(cp1, *("kubeception", "backup", "--recipient", public, "--output", BACKUP))
    kubectl(cp1, "create", "configmap", "after")
    deployed(cp1, "later")
    reset = cluster.after_the_keeper(cp1, "kubeception", "reset", "--etcd", "--pki", "--yes")
    assert reset.code == 0, reset.stderr
    cp1.run("rm", cluster.CONFIG)
    # A byte of it is another one: not even a folder is made.
    flip = f"cp {BACKUP} {BACKUP}.bad && printf X | dd of={BACKUP}.bad bs=1 seek=70000 conv=notrunc"
    cp1.run("sh", "-c", flip)
    said = cp1.fail("kubeception", "restore", f"{BACKUP}.bad", "--identity", KEY)
    assert "is not what was sealed" in said.stderr
    for path in (SNAPSHOTS, AT.pki.ca.key, AT.member, AT.etcd.data, Path(cluster.CONFIG)):
        assert not is_there(cp1, path)

    argv = ("kubeception", "restore", BACKUP, "--identity", KEY, "-o", "json")
    done = cp1.run(*argv, timeout_s=400)

    assert losing.authorities(cp1) == keys
    is_back(cp1, w1, credential=credential)
    took = sum(json.loads(done.stdout)["seconds"].values())
    note(f"a backup restored onto a fresh host in {took:.1f} s")


def is_there(host: Host, path: Path) -> bool:
    return host.run("test", "-e", str(path), check=False).code == 0
