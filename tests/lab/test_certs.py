"""Certificates are renewed by hand, by the keeper, and where a host was off beyond their end."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from tests.lab import cluster, healing
from tests.lab.cluster import kubectl, until
from tests.lab.conftest import Note
from tests.lab.lot import IS_SOAK
from tests.lab.machine import scaled

from kubeception.host.process import Completed
from kubeception.lab import Host, Lab

SCRIPT = Path(__file__).with_name("short_leaves.py")
PKI = "/etc/kubernetes/pki"
CAS = {"ca", "etcd/ca", "front-proxy-ca", "join-ca", "kubelet-serving-ca"}
KUBELETS_OWN = "kubelet-client-current"
REISSUED = "/var/lib/kubelet/pki/kubelet-client-reissued.pem"
# What bootstrap needs to mend a host on which nothing runs.
MENDED_S = 2 * healing.SETTLED_S

pytestmark = [pytest.mark.hosts(1, bundle=True), pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def made(lab: Lab) -> Host:
    # Leaves that were issued just now are not issued anew, even if asked for.
    return healing.proven(lab)


@pytest.fixture
def cp1(made: Host, hosts: list[Host]) -> Host:
    """A host that is well, also after what the test before has done to it."""
    assert healing.wait(made, patience_s=scaled(healing.SETTLED_S)) == []
    return made


def check(host: Host) -> tuple[int, dict[str, dict[str, Any]]]:
    """Return how `certs check` ends, and what it says of each certificate."""
    done = host.run("kubeception", "certs", "check", "-o", "json", check=False, timeout_s=60)
    said = json.loads(done.stdout)
    assert said["ok"] is (done.code == 0)
    return done.code, {row["name"]: row for row in said["certificates"]}


def leaves(host: Host) -> dict[str, dict[str, Any]]:
    """Return what is said of each certificate that is no CA."""
    return {name: row for name, row in check(host)[1].items() if name not in CAS}


def are_fresh(host: Host) -> bool:
    """Whether each leaf has most of its year before it."""
    return check(host)[0] == 0 and all(row["days"] > 300 for row in leaves(host).values())


def renew(host: Host, *words: str) -> Completed:
    done = cluster.after_the_keeper(host, "kubeception", "certs", "renew", *words)
    assert done.code == 0, done.stderr
    return done


def shorten(host: Host, lifetime_s: int, *, ahead_s: int = 0) -> float:
    """Leave all leaves so long to live, from now or later; return when the last of them ends."""
    host.put("/tmp/short_leaves.py", SCRIPT.read_text())
    # The launcher's own Python and modules, with the script in place of the command.
    python = 'exec sh -c "$(sed "s/-m kubeception//" /usr/local/bin/kubeception)" sh "$@"'
    argv = ("sh", "-c", python, "sh", "/tmp/short_leaves.py", str(lifetime_s), str(ahead_s))
    return float(host.run(*argv, timeout_s=60).stdout)


def served(host: Host, address: str, port: int) -> str:
    """Return the certificate that a server of the host shows."""
    code = "import ssl, sys; print(ssl.get_server_certificate((sys.argv[1], int(sys.argv[2]))))"
    done = host.run("python3", "-c", code, address, str(port), check=False)
    return done.stdout.strip()


def started(host: Host) -> tuple[dict[str, str], dict[str, Any]]:
    """Return which start of each unit and of each container runs."""
    standing = cluster.standing(host)
    return standing["units"], standing["pods"]


def test_all_is_well_with_a_new_cluster(cp1: Host) -> None:
    code, rows = check(cp1)

    assert code == 0, rows
    assert {"ca", "etcd/ca", "apiserver", "etcd/server", "kubelet-client", "join"} <= set(rows)
    assert are_fresh(cp1)
    assert renew(cp1).stdout == "nothing to renew\n"


def test_a_live_renewal_restarts_nothing_and_no_request_fails(cp1: Host, note: Note) -> None:
    before = started(cp1)
    with cluster.Requests.on(cp1) as requests:
        done = renew(cp1, "apiserver", "apiserver-etcd-client", "etcd/server", "etcd/peer")
        fresh = cp1.get(f"{PKI}/apiserver.crt").strip()
        until(lambda: served(cp1, "127.0.0.1", 6443) == fresh, timeout_s=90)

    note(f"certificates renewed while the API was asked: {requests}")
    told = [line.split(": ")[1] for line in done.stdout.splitlines()]
    assert len(told) == 5
    # etcd reads its own where they lie; of the others' the API server has copies.
    assert told[-1].endswith("/kube-apiserver")
    assert requests.failed == []
    assert started(cp1) == before
    cluster.settle(cp1)


def test_what_reads_its_certificate_once_is_started_anew(cp1: Host) -> None:
    before = served(cp1, cp1.address, 30000)

    done = renew(cp1, "join")

    fresh = cp1.get(f"{PKI}/join.crt").strip()
    assert "container kubeception" in done.stdout
    assert before != fresh
    until(lambda: served(cp1, cp1.address, 30000) == fresh, timeout_s=90)


# How a file is spoiled, and the file that is named then.
SPOILED = {
    f"echo garbage > {PKI}/scheduler.crt": f"{PKI}/scheduler.crt",
    f"rm {PKI}/apiserver-kubelet-client.crt": f"{PKI}/apiserver-kubelet-client.crt",
    f"truncate --size 40 {PKI}/front-proxy-client.key": f"{PKI}/front-proxy-client.crt",
    f": > {PKI}/sa.pub": f"{PKI}/sa.pub",
    ": > /etc/kubernetes/scheduler.conf": "/etc/kubernetes/scheduler.conf",
    "rm /etc/kubernetes/admin.conf": "/etc/kubernetes/admin.conf",
}


def test_what_is_no_certificate_key_or_kubeconfig_is_told_alike_and_mended(cp1: Host) -> None:
    cp1.run("kubeception", "keeper", "pause")  # it would mend some of it first
    cp1.run("sh", "-ec", "\n".join(SPOILED))

    code, rows = check(cp1)
    status = json.loads(cp1.run("kubeception", "status", "-o", "json", check=False).stdout)
    (told,) = [one["problem"] for one in status["checks"] if one["group"] == "certificates"]

    wrong = {row["file"]: row["problem"] for row in rows.values() if row["problem"]}
    assert (code, set(wrong)) == (1, set(SPOILED.values()))
    assert {f"{file}: {problem}" for file, problem in wrong.items()} == set(told.split("; "))
    refused = cluster.after_the_keeper(cp1, "kubeception", "bootstrap")
    # What can't be read is a person's to put back, or to move away.
    unread = (f"{PKI}/scheduler.crt", f"{PKI}/front-proxy-client.key")
    assert all(f"{path}: " in refused.stderr for path in unread)
    assert "put it back, or move it away and it is issued anew" in refused.stderr
    cp1.run("rm", *unread)
    cluster.bootstrap(cp1)
    assert check(cp1)[0] == 0
    cp1.run("kubeception", "keeper", "resume")


def test_all_are_renewed_while_the_api_is_stopped(cp1: Host) -> None:
    cp1.run("kubeception", "keeper", "pause", "--for", "30m")
    etcd = cluster.units(cp1)["etcd.service"]
    cp1.run("systemctl", "stop", "kubelet")
    stop = "crictl ps --quiet --name '^kube-apiserver$' | xargs -r crictl stop --timeout 0"
    cp1.run("sh", "-c", stop, timeout_s=60)
    until(lambda: not cluster.answers(cp1), timeout_s=60)
    shorten(cp1, 1)
    until(lambda: check(cp1)[0] == 1, timeout_s=30)

    renew(cp1, "--all")

    assert are_fresh(cp1)
    # Who stopped the kubelet starts it.
    assert cp1.run("systemctl", "is-active", "kubelet", check=False).stdout == "inactive\n"
    cp1.run("systemctl", "start", "kubelet")
    cp1.run("kubeception", "keeper", "resume")
    assert healing.wait(cp1, patience_s=scaled(MENDED_S)) == []
    assert cluster.units(cp1)["etcd.service"] == etcd


def test_the_keeper_renews_what_runs_out(cp1: Host) -> None:
    shorten(cp1, 20 * 24 * 3600)
    assert check(cp1)[0] == 0
    since = cp1.run("date", "+@%s").stdout.strip()

    cp1.run("systemctl", "restart", "kubeception-keeper")

    # The kubelet's own is the kubelet's to renew.
    def are_renewed() -> bool:
        code, rows = check(cp1)  # a copy that is to follow has no days
        others = {*CAS, KUBELETS_OWN}
        return code == 0 and all(rows[name]["days"] > 300 for name in {*rows} - others)

    until(are_renewed, timeout_s=MENDED_S)
    log = cp1.run("journalctl", "--unit=kubeception-keeper", f"--since={since}").stdout
    assert "has 19 days left" in log
    assert healing.wait(cp1, patience_s=scaled(MENDED_S)) == []


def test_what_a_clock_that_went_fast_has_left_is_mended_once(cp1: Host) -> None:
    """Certificates that hold from tomorrow on, and settings that were written tomorrow."""
    cp1.run("kubeception", "keeper", "pause", "--for", "30m")
    shorten(cp1, 30 * 24 * 3600, ahead_s=3 * 3600)
    cp1.run("touch", "--date=+2 hours", "/etc/kubernetes/etcd.env", "/etc/kubernetes/kubelet.env")
    code, rows = check(cp1)
    assert code == 1
    assert "is valid from" in str(rows["apiserver"]["problem"])

    cluster.bootstrap(cp1)

    cluster.settle(cp1)
    assert are_fresh(cp1)
    before = cluster.units(cp1)
    assert cluster.bootstrap(cp1).changes == []
    assert cluster.units(cp1) == before
    cp1.run("kubeception", "keeper", "resume")


WAYS = ("power cut", "power off") if IS_SOAK else ("power cut",)


@pytest.mark.parametrize("how", WAYS)
def test_a_host_that_was_off_beyond_all_certificates_comes_back_alone(
    cp1: Host, how: str, note: Note
) -> None:
    kubectl(cp1, "create", "configmap", f"remembered-{how.replace(' ', '-')}")
    access = cp1.get("/etc/kubernetes/admin.conf")

    ends_s = shorten(cp1, 45)
    if how == "power cut":
        cp1.power_cut()
    else:
        cp1.power_off()
    until(lambda: time.time() > ends_s + 1, timeout_s=90)
    began_s = time.time()
    cp1.boot()

    left = healing.wait(cp1, patience_s=scaled(MENDED_S))
    note(f"{how}, all leaves expired: all well {time.time() - began_s:.0f} s after the boot began")
    assert left == []
    assert are_fresh(cp1)
    assert cp1.get("/etc/kubernetes/admin.conf") == access
    assert kubectl(cp1, "get", "configmap", f"remembered-{how.replace(' ', '-')}")
    current = f"/var/lib/kubelet/pki/{KUBELETS_OWN}.pem"
    assert cp1.run("readlink", current).stdout.strip() == REISSUED
