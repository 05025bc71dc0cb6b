"""What is between a pod and its host is told by real packets, in networks of a test's own."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network

import pytest
from tests.api import network

from kubeception.conditions.network import is_answered
from kubeception.host.own_network import OwnNetwork
from kubeception.host.process import run
from kubeception.keeper.pod_look import Target, at_address
from kubeception.keeper.trouble import Reason, Trouble

PODS = ip_network("10.64.0.0/16")
PEER, PORT, SILENT = IPv4Address("10.89.0.11"), 6443, IPv4Address("10.89.0.99")
MASQUERADE = "type nat hook postrouting priority 100; ip saddr 10.64.0.0/16 masquerade;"


@dataclass(frozen=True)
class Place:
    """A pod of a host, and another host; the test itself is the host between them."""

    pod: OwnNetwork
    peer: OwnNetwork

    def look(self, address: IPv4Address = PEER) -> Trouble | None:
        return at_address(self.pod, Target(address, PORT), PODS)


@pytest.fixture
def place() -> Iterator[Place]:
    with network.new():
        made = Place(OwnNetwork(), OwnNetwork())
        listening: socket.socket | None = None
        try:
            _plug(made.pod, "cni0", "10.64.1.1/24", "10.64.1.254/24")
            _plug(made.peer, "host0", "10.89.0.21/24", f"{PEER}/24")
            made.pod.ask(lambda: run(["ip", "route", "add", "default", "via", "10.64.1.1"]))
            # As flannel has it, so that what isn't masqueraded is answered, too.
            made.peer.ask(lambda: run(["ip", "route", "add", str(PODS), "via", "10.89.0.21"]))
            run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
            rules(f"table ip masquerading {{ chain it {{ {MASQUERADE} }}; }}")
            listening = made.peer.ask(lambda: socket.create_server((str(PEER), PORT)))
            while not is_answered(PEER, PORT):  # links take a moment to come up
                pass
            yield made
        finally:
            if listening is not None:
                listening.close()
            made.pod.end()
            made.peer.end()


def _plug(other: OwnNetwork, link: str, own: str, theirs: str) -> None:
    run(["ip", "link", "add", link, "type", "veth", "peer", "eth0", "netns", other.path])
    run(["ip", "address", "add", own, "dev", link])
    run(["ip", "link", "set", link, "up"])
    other.ask(lambda: run(["ip", "address", "add", theirs, "dev", "eth0"]))
    other.ask(lambda: run(["ip", "link", "set", "eth0", "up"]))


def rules(text: str) -> None:
    run(["nft", "--file", "-"], stdin=f"{text}\n")


def drop(what: str) -> None:
    chain = f"type filter hook forward priority 0; {what} drop;"
    rules(f"table ip broken {{ chain it {{ {chain} }}; }}")


def test_a_pod_that_reaches_what_its_host_reaches_is_well(place: Place) -> None:
    assert place.look() is None


def test_what_a_chain_drops_of_what_pods_send_does_not_leave(place: Place) -> None:
    drop("ip saddr 10.64.0.0/16")

    found = place.look()
    assert found and (found.reason, found.from_pod) == (Reason.NODES, True)
    assert "what they send to 10.89.0.11:6443 does not leave this host" in found.words


def test_answers_that_a_chain_drops_are_told(place: Place) -> None:
    drop("ip daddr 10.64.0.0/16")

    found = place.look()
    assert found and found.reason is Reason.NODES
    assert "10.89.0.11:6443 answers this host, and no pod of it" in found.words


def test_what_leaves_by_a_pods_own_address_is_told_though_it_is_answered(place: Place) -> None:
    run(["nft", "delete", "table", "ip", "masquerading"])

    found = place.look()
    assert found and found.reason is Reason.MASQUERADE
    assert "it leaves for 10.89.0.11:6443 from 10.64.1.254" in found.words


def test_another_host_that_is_off_is_no_trouble_of_this_one(place: Place) -> None:
    drop("ip saddr 10.64.0.0/16")

    assert place.look(SILENT) is None


def test_a_port_that_nobody_listens_on_is_no_trouble(place: Place) -> None:
    assert at_address(place.pod, Target(PEER, 10250), PODS) is None


def test_a_network_ends_with_its_thread(place: Place) -> None:
    assert "cni0" in {name for _, name in socket.if_nameindex()}

    place.pod.end()

    while place.pod.path.exists():  # the kernel takes a moment
        pass
