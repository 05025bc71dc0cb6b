"""Packets that are too large for a way are told by real ones, over a VXLAN link of a test's own."""

from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import msgspec
import pytest
from tests import flannel as told_by_flannel
from tests.api import network

from kubeception.conditions import large_packets_pass
from kubeception.config import Config
from kubeception.config.model import Node
from kubeception.diagnosis import network_cause
from kubeception.host import echo
from kubeception.host.gateway import Host
from kubeception.host.own_network import OwnNetwork
from kubeception.host.process import run
from kubeception.session import Session

OWN, PEER = "10.89.0.21", "10.89.0.11"
OWN_END, PEERS_END = "10.64.1.0", "10.64.0.0"
LINK_ADDRESSES = {OWN_END: "02:00:00:00:00:01", PEERS_END: "02:00:00:00:00:02"}
CONFIG = msgspec.structs.replace(Config(), node=Node(address=OWN))


@pytest.fixture
def peer() -> Iterator[OwnNetwork]:
    """Another host, to which this one has flannel's link."""
    with network.new():
        other = OwnNetwork()
        try:
            run(["ip", "link", "add", "host0", "type", "veth", "peer", "eth0", "netns", other.path])
            other.ask(lambda: host("eth0", PEER, PEERS_END, remote=OWN))
            host("host0", OWN, OWN_END, remote=PEER)
            run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
            yield other
        finally:
            other.end()


def host(uplink: str, address: str, end: str, *, remote: str) -> None:
    theirs = PEERS_END if end == OWN_END else OWN_END
    behind = LINK_ADDRESSES[theirs]
    for line in (
        f"ip address add {address}/24 dev {uplink}",
        f"ip link set {uplink} up",
        f"ip link add flannel.1 address {LINK_ADDRESSES[end]}"
        f" type vxlan id 1 dstport 8472 nolearning dev {uplink} local {address}",
        f"ip address add {end}/32 dev flannel.1",
        "ip link set flannel.1 up",
        f"bridge fdb append {behind} dev flannel.1 dst {remote} permanent",
        f"ip neighbor add {theirs} lladdr {behind} dev flannel.1 nud permanent",
        f"ip route add {theirs}/24 via {theirs} dev flannel.1 onlink",
    ):
        run(line.split())


@pytest.fixture
def session(peer: OwnNetwork, tmp_path: Path) -> Session:
    found = Session(CONFIG, Host(root=tmp_path))
    told_by_flannel.tell(found.host)
    while not echo.is_answered(IPv4Address(PEERS_END), 576, timeout_s=0.2):
        pass  # links take a moment to come up
    return found


def told(session: Session) -> str | None:
    return large_packets_pass().problem(session)


def test_none_are_lost_where_all_links_carry_the_same(session: Session) -> None:
    assert told(session) is None


def test_a_peer_whose_link_carries_less_is_told_with_what_mends_it_here(
    session: Session, peer: OwnNetwork
) -> None:
    peer.ask(lambda: run(["ip", "link", "set", "eth0", "mtu", "1280"]))

    found = told(session)

    assert found == (
        f"of 1450 bytes none come back from {PEERS_END}, of 1230 they do"
        " (ip link set flannel.1 mtu 1230)"
    )
    assert network_cause.look(session, is_large=True) is None
    run(found.partition("(")[2].rstrip(")").split())
    assert told(session) is None


def test_a_link_of_this_hosts_that_carries_less_is_the_cause(session: Session) -> None:
    run(["ip", "link", "set", "host0", "mtu", "1400"])

    assert told(session)
    cause = network_cause.look(session, is_large=True)
    assert str(cause) == (
        "host0 carries packets of 1400 bytes, and pods' come as 1500 (ip link set host0 mtu 1500)"
    )
    assert cause
    run(cause.mend.split())
    assert told(session) is None


def test_a_way_that_drops_what_is_large_is_told(session: Session) -> None:
    chain = "type filter hook output priority 0; udp dport 8472 meta length > 1400 drop;"
    run(["nft", "--file", "-"], stdin=f"table ip broken {{ chain it {{ {chain} }}; }}\n")

    assert "of 1350 they do" in (told(session) or "")


def test_a_peer_that_is_off_or_lets_no_echo_in_says_nothing(
    session: Session, peer: OwnNetwork
) -> None:
    chain = "type filter hook input priority 0; meta l4proto icmp drop;"
    rules = f"table ip broken {{ chain it {{ {chain} }}; }}\n"
    peer.ask(lambda: run(["nft", "--file", "-"], stdin=rules))
    assert told(session) is None

    peer.ask(lambda: run(["ip", "link", "set", "eth0", "down"]))
    assert told(session) is None
