"""A person goes first: the keeper gives way, and a configuration counts once it has worked."""

import time
from collections.abc import Iterator

import pytest
from tests.lab import cluster, healing
from tests.lab.cluster import CONFIG, bootstrap
from tests.lab.conftest import Note
from tests.lab.machine import scaled

from kubeception.lab import Host

pytestmark = [pytest.mark.hosts(1, bundle=True), pytest.mark.timeout(900)]
NEW = "/root/new.toml"
STUCK = "/run/systemd/system/etcd.service.d/stuck.conf"
# Of the keeper's child: it looks every third of a second whether somebody waits.
GIVES_WAY_S = 10.0


@pytest.fixture
def cp1(hosts: list[Host]) -> Host:
    [host] = hosts
    if host.run("test", "-e", CONFIG, check=False).code:
        cluster.configure(host)
    bootstrap(host)
    return host


@pytest.fixture
def unreachable(cp1: Host) -> Iterator[Host]:
    """A host whose etcd never gets ready, so that its keeper bootstraps, again and again."""
    cp1.put(STUCK, "[Service]\nExecStartPre=/bin/sleep infinity\nTimeoutStartSec=infinity\n")
    cp1.run("systemctl", "daemon-reload")
    cp1.run("systemctl", "restart", "--no-block", "etcd")
    yield cp1
    cp1.run("rm", STUCK)
    cp1.run("systemctl", "daemon-reload")
    cp1.run("systemctl", "stop", "etcd", check=False)  # what waits, waits for ever
    cp1.run("systemctl", "reset-failed", "etcd", check=False)


def until_the_keeper_is_at_it(host: Host) -> None:
    deadline = time.monotonic() + scaled(90)
    # Its child; what it does itself says more.
    while ": kubeception keeper\n" not in host.get("/run/kubeception/lock"):
        assert time.monotonic() < deadline, cluster.status(host)
        time.sleep(cluster.LOOK_EVERY_S)


def test_what_a_person_asks_for_is_done_at_once_whatever_the_keeper_does(
    unreachable: Host, note: Note
) -> None:
    host = unreachable
    until_the_keeper_is_at_it(host)
    started = time.monotonic()
    renewed = host.run("kubeception", "certs", "renew", "scheduler", check=False, timeout_s=120)
    took_s = time.monotonic() - started
    note(f"certs renew while the keeper bootstraps: {took_s:.1f} s")

    assert renewed.code == 0, renewed.stderr
    assert "waiting for pid" in renewed.stderr and "keeper to give way" in renewed.stderr
    assert took_s < scaled(GIVES_WAY_S)
    said = host.run("journalctl", "-u", "kubeception-keeper", "-o", "cat").stdout
    assert "gave way to pid" in said
    assert "kubeception certs renew" in said

    until_the_keeper_is_at_it(host)  # it goes on where nobody waits
    planned = host.run("kubeception", "bootstrap", "--dry-run", check=False, timeout_s=120)
    assert planned.code == 10, planned.stderr  # who only looks waits for nobody
    assert "waiting for pid" not in planned.stderr

    started = time.monotonic()
    host.run("kubeception", "keeper", "pause", "--for", "10m")
    paused = host.run("kubeception", "certs", "renew", "scheduler", check=False, timeout_s=120)
    note(f"pause, and what comes after it: {time.monotonic() - started:.1f} s")
    assert paused.code == 0, paused.stderr
    assert "waiting for pid" not in paused.stderr  # the keeper is not at it any more
    host.run("kubeception", "keeper", "resume")

    until_the_keeper_is_at_it(host)
    started = time.monotonic()
    host.run("kubeception", "reset", "--yes", timeout_s=180)
    note(f"reset while the keeper bootstraps: {time.monotonic() - started:.1f} s")
    assert host.run("systemctl", "is-active", "kubelet", check=False).stdout == "inactive\n"


def test_a_configuration_becomes_the_hosts_own_when_it_has_worked(cp1: Host) -> None:
    # One that crashes is given up at once where another one was proven.
    cluster.until(lambda: len(healing.kept(cp1)) >= 1, timeout_s=healing.PROOF_S)
    own = cp1.get(CONFIG)
    cp1.put(NEW, own + '\n[apiserver.extra_args]\nno-such-flag = "1"\n')
    failed = cp1.run("kubeception", "bootstrap", "--config", NEW, check=False, timeout_s=300)
    assert failed.code != 0
    assert "no-such-flag" in failed.stderr
    assert cp1.get(CONFIG) == own
    assert cp1.run("test", "-e", f"{CONFIG}.previous", check=False).code == 1

    cp1.put(NEW, own + '\n[apiserver.extra_args]\nv = "1"\n')
    worked = cp1.run("kubeception", "bootstrap", "--config", NEW, timeout_s=300)
    assert cp1.get(CONFIG) == cp1.get(NEW)
    assert cp1.get(f"{CONFIG}.previous") == own
    assert f"the one before is {CONFIG}.previous" in worked.stderr


def test_the_keeper_follows_the_file_and_minds_no_slip_in_it(cp1: Host) -> None:
    own = cp1.get(CONFIG)
    keeper = cp1.run("systemctl", "show", "-p", "MainPID", "kubeception-keeper").stdout
    cp1.put(CONFIG, "[net\n")
    deadline = time.monotonic() + scaled(20)
    while "going by what it was" not in journal(cp1):
        assert time.monotonic() < deadline
        time.sleep(cluster.LOOK_EVERY_S)
    cp1.put(CONFIG, own)
    assert keeper == cp1.run("systemctl", "show", "-p", "MainPID", "kubeception-keeper").stdout


def journal(host: Host) -> str:
    return host.run("journalctl", "-u", "kubeception-keeper", "-o", "cat").stdout
