"""What a host's cluster lives on is never made a second time, whatever of it is lost."""

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.lab import cluster, healing, losing
from tests.lab.cluster import bootstrap, kubectl, until
from tests.lab.losing import AT, DATA, Lost
from tests.lab.lot import SEED, drawn
from tests.lab.machine import scaled

from kubeception.facts import OF_DATA, Accept
from kubeception.lab import Host, Lab

pytestmark = [pytest.mark.hosts(1, bundle=True), pytest.mark.timeout(600)]

ETCD = "etcd.service"
KEEPER = "kubeception-keeper.service"


@pytest.fixture(scope="module")
def made(lab: Lab) -> Host:
    host = lab.host("cp1")
    cluster.configure(host)
    bootstrap(host)
    kubectl(host, "create", "configmap", "remembered")
    return host


@pytest.fixture
def cp1(made: Host, hosts: list[Host]) -> Iterator[Host]:
    """A host that is well; afterwards it has the same cluster as before, and is well again."""
    before = cluster_id(made)
    assert healing.wait(made, patience_s=scaled(60)) == []
    yield made
    assert healing.wait(made, patience_s=scaled(120)) == []
    assert cluster_id(made) == before
    assert kubectl(made, "get", "configmap", "remembered")


def cluster_id(host: Host) -> str:
    """Return the id of the etcd cluster that the host remembers."""
    [found] = re.findall(r'"cluster": "(\w+)"', host.get(AT.member))
    return str(found)


def verdict(host: Host) -> str:
    said = host.run("kubeception", "status", "-o", "json", check=False).stdout
    return str(json.loads(said)["keeper"])


def refused(host: Host, lost: Lost) -> None:
    """See that nobody goes on, that each says why, and that nothing is another one then."""
    there = losing.authorities(host)
    until(lambda: verdict(host).startswith("refuse: "), timeout_s=40)
    if lost.named == AT.pki.ca.key:  # the certificates are put back all the same
        for ca in (AT.pki.ca, AT.pki.join_ca):
            path = ca.certificate
            until(partial(is_there, host, path), timeout_s=10)
        there = losing.authorities(host)
    for command in ("bootstrap", "recover"):
        said = cluster.after_the_keeper(host, "kubeception", command)
        assert said.code == 3, said.stderr
        assert f"{lost.named}: {lost.words}" in said.stderr
        assert "Traceback" not in said.stderr
        if lost.accepted_as:
            assert f"kubeception bootstrap --accept {lost.accepted_as}" in said.stderr
        assert "put" in said.stderr
    status = host.run("kubeception", "status", check=False)
    assert status.code == 1
    assert f"{lost.named}: {lost.words}" in status.stdout
    assert losing.authorities(host) == there


def is_there(host: Host, path: Path) -> bool:
    return host.run("test", "-e", str(path), check=False).code == 0


ETCDS, KEYS = (
    [lost for lost in losing.table() if lost.is_of_etcd is of_etcd] for of_etcd in (True, False)
)


@pytest.mark.parametrize(
    "lost", [*drawn(ETCDS, 1), *drawn(KEYS, 2)], ids=lambda lost: f"{lost.name} (seed {SEED})"
)
def test_what_is_lost_is_refused_by_everybody_until_it_is_back(cp1: Host, lost: Lost) -> None:
    containers = cp1.run("crictl", "ps", "--quiet", "--name", "coredns").stdout.split()
    with losing.standing_back(cp1):
        if lost.is_of_etcd:
            cp1.run("systemctl", "stop", ETCD)
        losing.run(cp1, lost.inject)
        if lost.is_of_etcd:
            cp1.run("systemctl", "start", "--no-block", ETCD)

    refused(cp1, lost)

    if lost.is_of_etcd:
        assert cp1.run("systemctl", "is-active", ETCD, check=False).stdout != "active\n"
        journal = cp1.run("journalctl", "-u", ETCD, "-o", "cat", "-n", "30").stdout
        assert f"{lost.named}: {lost.words}" in journal
    assert set(containers) <= set(cp1.run("crictl", "ps", "--quiet").stdout.split())
    losing.run(cp1, lost.mend)


def test_data_that_are_older_than_what_was_seen_are_refused(cp1: Host) -> None:
    mend = losing.older_copy(cp1)
    cp1.run("systemctl", "start", "--no-block", ETCD)
    older = Lost("", "", DATA, "these data end at entry", Accept.OLDER_ETCD, "")

    refused(cp1, older)

    mend()
    until(lambda: cluster.answers(cp1), timeout_s=60)
    assert kubectl(cp1, "get", "configmap", "written-later-19")


DAMAGES = {
    "pages of the database": (
        f"dd if=/dev/urandom of={DATA}/member/snap/db bs=4096 seek=2 count=30 conv=notrunc"
    ),
    "the database cut": f"truncate --size 5000 {DATA}/member/snap/db",
    "the log": (
        f"dd if=/dev/urandom of=$(ls {DATA}/member/wal/*.wal) bs=1 seek=300 count=40 conv=notrunc"
    ),
}


@pytest.mark.parametrize("name", drawn(list(DAMAGES), 1))
def test_damaged_data_are_left_alone_and_the_way_on_is_named(cp1: Host, name: str) -> None:
    spoil = DAMAGES[name]
    with losing.standing_back(cp1):
        cp1.run("systemctl", "stop", ETCD)
        losing.run(cp1, f"rm -rf {losing.AWAY} && cp -a {DATA} {losing.AWAY} && {spoil}")
        digests = ("sh", "-c", f"sha256sum {DATA}/member/wal/*.wal")
        before = cp1.run(*digests).stdout

        said = cp1.fail("kubeception", "bootstrap")

        assert said.code == 1
        assert f"error: {DATA}: etcd can't read its data" in said.stderr
        way_on = f"mv {DATA} {DATA}.damaged && kubeception bootstrap --accept empty-etcd"
        assert way_on in said.stderr
        assert cp1.run(*digests).stdout == before
        cp1.run("systemctl", "stop", ETCD)
        losing.run(cp1, f"rm -rf {DATA} && mv {losing.AWAY} {DATA}")


@pytest.mark.parametrize("name", drawn(["ca", "front-proxy-ca", "etcd/ca"], 1))
def test_the_certificate_of_a_ca_alone_is_put_back(cp1: Host, name: str) -> None:
    path = f"{AT.pki.folder}/{name}.crt"
    before = cp1.get(path)
    cp1.run("rm", path)

    bootstrap(cp1)

    assert cp1.get(path) == before


def test_a_cut_off_certificate_of_a_ca_is_put_back_by_the_keeper(cp1: Host) -> None:
    path = AT.pki.ca.certificate
    before = cp1.get(path)
    cp1.run("truncate", "--size", "100", str(path))

    until(lambda: cp1.get(path) == before, timeout_s=40)


SETTINGS = {
    "empty": ": > {0}",
    "cut off": "head -n 1 {0} > {0}.x && mv {0}.x {0}",
    "a stranger's": "sed -i 1d {0}",
    "open to everybody": "sed -i /ETCD_CLIENT_CERT_AUTH/d {0}",
}


@pytest.mark.parametrize("name", ["empty", *drawn(list(SETTINGS)[1:], 1)])
def test_etcd_does_not_start_with_settings_that_are_not_ours(cp1: Host, name: str) -> None:
    spoil = SETTINGS[name]
    with losing.standing_back(cp1):  # it would mend them first
        cp1.run("systemctl", "stop", ETCD)
        losing.run(cp1, spoil.format(AT.etcd.environment))

        cp1.run("systemctl", "start", "--no-block", ETCD)
        until(lambda: str(AT.etcd.environment) in last_words(cp1), timeout_s=10)
        assert cp1.run("ss", "-Hltn", "sport = :2379").stdout == ""
        cp1.fail("test", "-e", "/default.etcd")

    until(lambda: cluster.answers(cp1), timeout_s=60)


def last_words(host: Host) -> str:
    since = host.run("systemctl", "show", "--value", "-p", "InvocationID", ETCD).stdout.strip()
    return host.run("journalctl", f"_SYSTEMD_INVOCATION_ID={since}", "-o", "cat").stdout + (
        host.run("journalctl", "-u", ETCD, "-o", "cat", "-n", "12").stdout
    )


@pytest.mark.parametrize("accepted", drawn(list(Accept), 1), ids=lambda one: f"{one} (seed {SEED})")
def test_a_person_may_go_on_without_it(made: Host, hosts: list[Host], accepted: Accept) -> None:
    """What ran by it is ended, so the host is whole again, with or without what was written."""
    kubectl(made, "delete", "configmap", "kept", "--ignore-not-found")
    kubectl(made, "create", "configmap", "kept")
    before = losing.authorities(made)
    losing.lose(made, accepted)

    bootstrap(made, "--accept", accepted)

    # The Lease of somebody who was ended counts for a while.
    assert healing.wait(made, patience_s=scaled(60)) == []
    assert bootstrap(made).changes == []
    is_new = accepted in {Accept.EMPTY_ETCD, Accept.OTHER_ETCD}
    found = kubectl(made, "get", "configmap", "kept", "--ignore-not-found")
    assert bool(found) is not is_new
    assert (losing.authorities(made) == before) is (accepted in OF_DATA)
