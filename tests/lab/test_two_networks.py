"""Hosts with a network beside that of their nodes, and a worker that gets another address."""

import json
from dataclasses import dataclass
from functools import partial

import pytest
from tests.lab import cluster, expired
from tests.lab.cluster import get, is_well, kubectl, until
from tests.lab.conftest import Note, bundle_folder
from tests.lab.found import OF_THE_MACHINE
from tests.lab.machine import scaled

from kubeception.bundle import contents
from kubeception.lab import Host, Lab

pytestmark = [pytest.mark.hosts(2, bundle=True), pytest.mark.timeout(900)]

NETWORK = "/etc/systemd/network/10-host0.network"
MOVED, CP_MOVED = "10.89.0.22", "10.89.0.12"
KEEPER = "kubeception-keeper.service"
CA = "/etc/kubernetes/pki/ca.crt"
# It goes by the address before for a minute, and is asked about its API every twenty seconds.
TOLD_S = 150.0
DELETED_S = 30.0


@dataclass(frozen=True)
class Made:
    """The cluster of this file."""

    cp1: Host
    w1: Host

    def join(self, *flags: str) -> None:
        command = self.cp1.run("kubeception", "token", "create", *flags).stdout
        self.w1.run("sh", stdin=command, timeout_s=240)


@pytest.fixture(scope="module")
def made(lab: Lab) -> Made:
    """Hosts whose default routes lead through another network, where they don't reach each other.

    `[node]` says by which address their nodes go.
    """
    cp1, w1 = lab.hosts()
    found = Made(cp1, w1)
    for number, host in enumerate((cp1, w1), start=11):
        host.run("ip", "link", "add", "wan0", "type", "veth", "peer", "name", "wan1")
        host.run("ip", "address", "add", f"203.0.{number}.2/24", "dev", "wan0")
        for link in ("wan0", "wan1"):
            host.run("ip", "link", "set", link, "up")
        host.run("ip", "route", "replace", "default", "via", f"203.0.{number}.1", "metric", "1")
    cluster.configure(cp1, more=f'\n[node]\naddress = "{cp1.address}"\n')
    w1.put(cluster.CONFIG, f'version = 1\n[node]\naddress = "{w1.address}"\n')
    cluster.bootstrap(cp1)
    found.join("--node", "w1")
    image = contents.load(bundle_folder()).images["pause"]
    on_w1 = '{"spec": {"nodeName": "w1"}}'
    kubectl(cp1, "run", "web", f"--image={image}", f"--overrides={on_w1}")
    return found


def public_ip(cp1: Host, node: str) -> str | None:
    """Return where flannel has others send what is for a node's pods."""
    notes: dict[str, str] = get(cp1, "node", node)["metadata"]["annotations"]
    return notes.get("flannel.alpha.coreos.com/public-ip")


def has_flannel(cp1: Host, node: str) -> bool:
    """Whether flannel has said of a node where it is."""
    return public_ip(cp1, node) is not None


def test_pods_are_reached_by_their_nodes_addresses_and_not_by_the_default_route(
    made: Made, hosts: list[Host]
) -> None:
    for host in hosts:
        until(partial(has_flannel, made.cp1, host.name), timeout_s=60)
        assert public_ip(made.cp1, host.name) == host.address

    until(lambda: is_well(made.w1), timeout_s=60)
    cluster.settle(made.cp1)


def test_preflight_on_a_worker_asks_what_a_worker_needs_alone(
    made: Made, hosts: list[Host]
) -> None:
    w1 = hosts[1]
    until(lambda: is_well(w1), timeout_s=60)
    said = json.loads(w1.run("kubeception", "preflight", "-o", "json", check=False).stdout)
    refused = w1.run("kubeception", "bootstrap", check=False)

    assert said["ok"]
    assert {one["check"] for one in said["findings"]} <= OF_THE_MACHINE
    errors = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert refused.code == 3
    assert f"error: Role: this host is a worker of https://{made.cp1.address}:6443" in errors
    assert not [line for line in refused.stderr.splitlines() if "put /etc/kubernetes/pki" in line]


def test_a_worker_that_has_moved_says_how_it_joins_again_and_does_without_a_reset(
    made: Made, hosts: list[Host], note: Note
) -> None:
    cp1, w1 = hosts
    before = w1.address
    w1.put(cluster.CONFIG, "version = 1\n")
    for path in (NETWORK, "/etc/hosts"):
        w1.put(path, w1.get(path).replace(before, MOVED))
    w1.reboot()

    told_s = until(lambda: "join again" in said(w1), timeout_s=TOLD_S)
    note(f"a worker that has moved says so {told_s:.0f} s after its boot")
    assert f"address {before} is gone, and the host has {MOVED}" in said(w1)
    status = w1.run("kubeception", "status", check=False)
    refused = w1.run("kubeception", "join", check=False)

    why = f"this host has joined by {before}, and goes by {MOVED} now"
    assert status.code == 1
    assert why in status.stdout
    assert refused.code == 2
    assert f"error: {why}" in refused.stderr
    assert "hint: kubeception token create --rejoin w1, on a control-plane host" in refused.stderr
    made.join("--rejoin", "w1")

    until(lambda: is_well(w1), timeout_s=90)
    cluster.settle(cp1)
    addresses = get(cp1, "node", "w1")["status"]["addresses"]
    assert {"type": "InternalIP", "address": MOVED} in addresses
    assert public_ip(cp1, "w1") == MOVED
    [flannel] = kubectl(
        *(cp1, "get", "pods", "--namespace=kube-system", "--selector=k8s-app=flannel"),
        *("--field-selector=spec.nodeName=w1", "-o", "name"),
    ).split()
    assert kubectl(cp1, "logs", "--namespace=kube-system", "--tail=1", flannel)
    again = w1.run("kubeception", "join", "-o", "json")
    assert '"changes": []' in again.stdout


def test_a_worker_whose_node_is_deleted_is_whole_again(
    made: Made, hosts: list[Host], note: Note
) -> None:
    cp1, w1 = hosts
    before = get(cp1, "node", "w1")["metadata"]["uid"]

    kubectl(cp1, "delete", "node", "w1", "--wait=false")
    until(lambda: uid(cp1, "w1") not in {"", before}, timeout_s=scaled(DELETED_S))
    until(lambda: has_flannel(cp1, "w1"), timeout_s=scaled(DELETED_S))
    until(lambda: cluster.have_its_range(cp1, "w1"), timeout_s=scaled(DELETED_S))
    whole_s = until(lambda: is_well(w1) and is_well(cp1), timeout_s=120)

    note(f"both hosts are well {whole_s:.0f} s after a worker's Node was there again")


def test_a_worker_whose_ca_has_expired_joins_again_by_that_of_today(
    made: Made, hosts: list[Host]
) -> None:
    cp1, w1 = hosts
    of_today = cp1.get(CA)
    w1.put(CA, expired.ca(cp1, "ca"))
    w1.run("systemctl", "restart", "kubelet", KEEPER)

    status = w1.run("kubeception", "status", check=False)
    refused = w1.run("kubeception", "join", check=False)
    assert f"{CA}: expired on " in status.stdout
    assert "this host has to join again, its credential is by a CA whose" in refused.stderr
    assert (status.code, refused.code) == (1, 2)

    made.join("--rejoin", "w1")
    until(lambda: is_well(w1), timeout_s=60)
    assert w1.get(CA) == of_today


def test_a_worker_follows_its_control_plane_to_another_address(
    made: Made, hosts: list[Host], note: Note
) -> None:
    cp1, w1 = hosts
    before = cp1.address
    for path in (NETWORK, "/etc/hosts", cluster.CONFIG):
        cp1.put(path, cp1.get(path).replace(before, CP_MOVED))
    running = containers(w1)
    cp1.reboot()
    until(partial(has_address, cp1, CP_MOVED), timeout_s=TOLD_S)
    silent = w1.run("kubeception", "status", check=False)
    assert silent.code == 1

    made.join("--rejoin", "w1")
    followed_s = until(lambda: is_well(w1), timeout_s=120)
    cluster.settle(cp1)

    note(f"a worker is well {followed_s:.0f} s after it was led to {CP_MOVED}")
    assert running <= containers(w1), "what ran on it runs on"
    again = w1.run("kubeception", "join", "-o", "json")
    assert '"changes": []' in again.stdout


def test_a_host_whose_network_the_cluster_covers_is_refused_and_its_token_kept(
    made: Made, hosts: list[Host]
) -> None:
    cp1, w1 = hosts
    cp1.run("kubeception", "node", "remove", "w1", "--yes")
    w1.run("kubeception", "reset", "--yes")
    w1.run("ip", "link", "add", "lan0", "type", "veth", "peer", "name", "lan1")
    w1.run("ip", "address", "add", "10.64.200.1/24", "dev", "lan0")
    w1.run("ip", "link", "set", "lan0", "up")
    command = cp1.run("kubeception", "token", "create", "--node", "w1").stdout
    try:
        refused = w1.run("sh", stdin=command, check=False, timeout_s=120)
    finally:
        w1.run("ip", "link", "delete", "lan0")
    assert refused.code == 3
    assert "10.64.200.0/24 of lan0" in refused.stderr
    assert w1.run("test", "-e", "/etc/kubernetes/kubelet.conf", check=False).code == 1

    w1.run("sh", stdin=command, timeout_s=240)
    until(lambda: is_well(w1), timeout_s=60)


def uid(cp1: Host, node: str) -> str:
    """Return the uid of a Node, "" where there is none."""
    asked = ("get", "node", node, "-o", "jsonpath={.metadata.uid}")
    return kubectl(cp1, *asked, check=False)


def containers(host: Host) -> set[str]:
    """Return the ids of the containers that run for users, and for the network."""
    return set(host.run("crictl", "ps", "--quiet", "--name", "^web$").stdout.split())


def has_address(cp1: Host, address: str) -> bool:
    """Whether the Node of a control-plane host says that it has an address."""
    asked = ("get", "node", "cp1", "-o", "jsonpath={.status.addresses[*].address}")
    return address in kubectl(cp1, *asked, check=False).split()


def said(host: Host) -> str:
    """Return what the keeper has said since the boot."""
    return host.run("journalctl", "-b", "-u", KEEPER, "-o", "cat").stdout
