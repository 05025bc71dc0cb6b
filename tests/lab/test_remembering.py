"""A host remembers who it is: its name, its address, its cluster; what changes about it is told."""

import json

import pytest
from tests.lab import cluster, healing
from tests.lab.cluster import bootstrap, get, kubectl, until
from tests.lab.losing import AT
from tests.lab.lot import drawn
from tests.lab.machine import scaled

from kubeception.config import names
from kubeception.lab import Host, Lab

pytestmark = [pytest.mark.hosts(1, bundle=True), pytest.mark.timeout(600)]

KEEPER = "kubeception-keeper.service"
# Not the etcdutl with which the keeper looks at a snapshot.
SERVERS = ("pgrep", "--exact", "kube-apiserver|etcd")
# What the unit of etcd and the units of an earlier version did not have.
_NEW_LINES = (
    "/^ExecStartPre=/d;/^UnsetEnvironment=/d;/^ExecStopPost=/d;/^RequiresMountsFor=/d;"
    "s/ --data-dir=.*//"
)
_NEW_SETTINGS = r"/^# [A-Z]/d;/INITIAL_CLUSTER_TOKEN/d;s/\"existing\"/\"new\"/"


@pytest.fixture(scope="module")
def made(lab: Lab) -> Host:
    host = lab.host("cp1")
    cluster.configure(host)
    bootstrap(host)
    return host


@pytest.fixture
def cp1(made: Host, hosts: list[Host]) -> Host:
    well(made)
    return made


def well(host: Host) -> None:
    """Wait until all is well; an API that has just come back knows no rights yet."""
    assert healing.wait(host, patience_s=scaled(90)) == []


def record(host: Host) -> dict[str, object]:
    found: dict[str, object] = json.loads(host.get(AT.member))
    return found


def nodes(host: Host) -> list[str]:
    return [node["metadata"]["name"] for node in get(host, "nodes")["items"]]


def made_by_an_earlier_version(host: Host) -> None:
    """Leave a host as an earlier version did: no record, other units and settings, all running."""
    host.run("systemctl", "stop", KEEPER)
    units = " ".join(f"{AT.units}/{unit}" for unit in cluster.UNITS)
    host.run("sed", "-i", _NEW_SETTINGS, str(AT.etcd.environment))
    host.run("sh", "-c", f"sed -i '{_NEW_LINES}' {units} && systemctl daemon-reload")
    host.run("systemctl", "restart", "etcd")
    host.run("rm", "-f", str(AT.member), str(AT.progress))
    until(lambda: cluster.answers(host), timeout_s=30)


@pytest.mark.parametrize("by", drawn(["bootstrap", "keeper"], 1))
def test_a_cluster_of_an_earlier_version_gets_its_record_without_a_restart(
    cp1: Host, by: str
) -> None:
    before = record(cp1)
    made_by_an_earlier_version(cp1)
    units = cluster.units(cp1)
    servers = cp1.run(*SERVERS).stdout

    if by == "bootstrap":
        bootstrap(cp1)
    else:
        cp1.run("systemctl", "start", KEEPER)
        until(lambda: cp1.run("test", "-e", str(AT.member), check=False).code == 0, timeout_s=60)
        well(cp1)

    assert cluster.units(cp1) == units
    assert cp1.run(*SERVERS).stdout == servers
    assert record(cp1) == {**before, "token": ""}
    assert "may-start" in cp1.run("systemctl", "cat", "etcd").stdout
    assert bootstrap(cp1).changes == []


def test_a_better_route_changes_nothing_and_is_told(cp1: Host) -> None:
    cp1.run("ip", "link", "add", "vpn0", "type", "veth", "peer", "name", "vpn1")
    cp1.run("ip", "address", "add", "10.99.0.1/24", "dev", "vpn0")
    cp1.run("ip", "link", "set", "vpn0", "up")
    cp1.run("ip", "link", "set", "vpn1", "up")
    for half in ("0.0.0.0/1", "128.0.0.0/1"):  # as VPNs do it
        cp1.run("ip", "route", "add", half, "via", "10.99.0.2", "dev", "vpn0")

    run = bootstrap(cp1)
    status = cp1.run("kubeception", "status", check=False)
    cp1.run("systemctl", "restart", KEEPER)

    told = f"the default route leads from 10.99.0.1 now, and this host goes on by {cp1.address}"
    assert run.changes == []
    assert told in run.log
    assert told in status.stdout
    until(lambda: told in cp1.run("journalctl", "-u", KEEPER, "-o", "cat").stdout, timeout_s=20)
    assert cp1.address in cp1.get(AT.etcd.environment)
    cp1.run("ip", "link", "delete", "vpn0")


def test_another_name_of_the_host_changes_nothing_and_is_told(cp1: Host) -> None:
    before = record(cp1)
    cp1.run("hostnamectl", "set-hostname", "other")

    cp1.reboot()

    told = "this host is called 'other' now, and goes on as node cp1"
    well(cp1)
    run = bootstrap(cp1)
    assert nodes(cp1) == ["cp1"]
    assert told in run.log
    assert told in cluster.status(cp1)
    assert told in cp1.run("journalctl", "-u", KEEPER, "-b", "-o", "cat").stdout
    assert record(cp1) == before


def test_without_its_record_the_host_still_goes_by_its_name(cp1: Host) -> None:
    cp1.run("hostnamectl", "set-hostname", "other")
    cp1.run("rm", str(AT.member))

    bootstrap(cp1)

    assert nodes(cp1) == ["cp1"]
    assert record(cp1)["node"] == "cp1"


def test_a_name_that_no_certificate_can_say_is_refused_and_the_host_goes_on(cp1: Host) -> None:
    before, units = record(cp1), cluster.units(cp1)
    too_long = "n" * (names.LONGEST_NODE_NAME + 1)
    named = "/etc/kubeception/named.toml"
    cp1.put(named, f'version = 1\n[node]\nname = "{too_long}"\n')
    cp1.run("hostnamectl", "set-hostname", too_long)

    by_host = cluster.after_the_keeper(cp1, "kubeception", "bootstrap", "--rename")
    by_file = cluster.after_the_keeper(cp1, "kubeception", "bootstrap", "--config", named)

    limit = names.LONGEST_NODE_NAME
    assert by_host.code == 3
    assert f"{too_long!r} is no name for a node: it has {limit + 1} letters" in by_host.stderr
    assert by_file.code == 2
    assert f"{named}:3:node.name: " in by_file.stderr
    assert f"{limit} letters at most" in by_file.stderr
    assert (record(cp1), cluster.units(cp1), nodes(cp1)) == (before, units, ["cp1"])


def test_a_person_renames_a_host_and_no_other_node_is_left(cp1: Host) -> None:
    """By the longest name that there can be."""
    name = "n" * names.LONGEST_NODE_NAME
    kubectl(cp1, "create", "configmap", "remembered")
    cp1.run("hostnamectl", "set-hostname", name)

    bootstrap(cp1, "--rename")

    assert nodes(cp1) == [name]
    assert (record(cp1)["node"], record(cp1)["former"]) == (name, "")
    well(cp1)
    assert {pod["spec"]["nodeName"] for pod in cluster.pods(cp1)} == {name}
    assert kubectl(cp1, "get", "configmap", "remembered")
    assert bootstrap(cp1).changes == []
