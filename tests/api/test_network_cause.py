"""Causes of a network that does not work are told by what is so, in a network of a test's own."""

import json
import socket
import struct
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from tests import flannel as told_by_flannel
from tests.api import network
from tests.fixed import HOST

from kubeception.conditions.network import is_answered
from kubeception.config import Config
from kubeception.config.model import Node
from kubeception.diagnosis import network_cause
from kubeception.errors import ApiError
from kubeception.host import files, links
from kubeception.host import network as host_network
from kubeception.host.gateway import Host
from kubeception.host.network import Dropped
from kubeception.host.own_network import OwnNetwork
from kubeception.host.process import run
from kubeception.host.systemd import Systemd
from kubeception.kube.client import Api
from kubeception.render import flannel, kubelet, networkd
from kubeception.session import Session

OWN, OTHER = "10.89.0.21", "10.90.0.21"
NOTHING = Dropped()
CONFIG = msgspec.structs.replace(Config(), node=Node(address=OWN))


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with network.new():
        link("host0", OWN)
        link("host1", OTHER)
        run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
        tunnel(through="host0", local=OWN)
        host = Host(tmp_path, Systemd(tmp_path / "nobody-answers"))
        told_by_flannel.tell(host)
        yield Session(CONFIG, host)


def link(name: str, address: str) -> None:
    run(["ip", "link", "add", name, "type", "veth", "peer", f"{name}-end"])
    run(["ip", "address", "add", f"{address}/24", "dev", name])
    run(["ip", "link", "set", name, "up"])


def tunnel(*, through: str, local: str) -> None:
    vxlan = f"type vxlan id 1 dstport 8472 nolearning dev {through} local {local}".split()
    run(["ip", "link", "add", "flannel.1", *vxlan])
    run(["ip", "link", "set", "flannel.1", "up"])


def told(session: Session, dropped: Dropped = NOTHING) -> str:
    return str(network_cause.look(session, dropped=dropped))


def test_there_is_none_where_nothing_is_in_the_way(session: Session) -> None:
    assert told(session) == told(session, Dropped(by_source=1)) == "None"


def test_a_chain_that_drops(session: Session) -> None:
    chain = "type filter hook forward priority 0; policy drop;"
    run(["nft", "--file", "-"], stdin=f"table inet fw {{ chain forward {{ {chain} }}; }}\n")

    assert told(session).startswith(
        "chain inet fw forward (policy drop) drops what pods of two hosts send each other,"
        " what this host and its pods send each other, what comes for pods by NodePorts,"
        " what pods send to other hosts, what pods send to nodes (nft insert rule inet fw forward"
    )


def test_a_setting_of_the_kernel(session: Session) -> None:
    run(["sysctl", "-qw", "net.ipv4.ip_forward=0"])

    assert told(session) == (
        "net.ipv4.ip_forward is 0, by nobody's file (sysctl -w net.ipv4.ip_forward=1)"
    )


def test_what_lets_no_pod_start_comes_before_what_pods_would_mend(session: Session) -> None:
    run(["sysctl", "-qw", "net.ipv4.ip_forward=0"])
    run(["ip", "link", "set", "flannel.1", "down"])
    gone = "/run/systemd/resolve/resolv.conf"
    settings = session.layout.kubelet.settings
    settings.parent.mkdir(parents=True)
    settings.write_text(kubelet.settings(CONFIG, replace(HOST, resolv_conf=gone)))

    assert told(session) == (
        f"no pod can start: the kubelet's resolver file {gone} is gone, and /etc/resolv.conf is"
        " right (kubeception bootstrap)"
    )


def test_a_link_that_is_down(session: Session) -> None:
    run(["ip", "link", "set", "flannel.1", "down"])

    assert told(session).startswith("flannel's routes are gone: link flannel.1 is down (crictl ps")


def test_a_link_that_goes_through_another_card(session: Session) -> None:
    run(["ip", "link", "delete", "flannel.1"])
    tunnel(through="host1", local=OTHER)

    wrong = f"link flannel.1 goes through host1 ({OTHER}), and this host by {OWN} (crictl ps"
    assert told(session).startswith(wrong)


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("00-a", "mv {0}/00-a.network {0}/90-00-a.network; networkctl reload"),
        ("20-all", "kubeception bootstrap"),
    ],
)
def test_settings_of_the_hosts_that_configure_our_links(
    session: Session, name: str, mend: str
) -> None:
    folder = Path("/etc/systemd/network")
    state = session.host.at(Path("/", networkd.STATES) / str(links.index("flannel.1")))
    files.write(state, f"ADMIN_STATE=configured\nNETWORK_FILE={folder}/{name}.network\n")

    assert told(session) == (
        f"systemd-networkd configures flannel.1, by {folder}/{name}.network ({mend.format(folder)})"
    )

    files.write(state, "ADMIN_STATE=unmanaged\n")
    assert told(session) == "None"


def test_a_route_that_leads_nowhere(session: Session) -> None:
    run(["ip", "route", "add", "blackhole", "10.96.0.0/12"])

    assert told(session) == "route blackhole 10.96.0.0/12 (ip route del blackhole 10.96.0.0/12)"


def peer(pods: str, *, end: str) -> None:
    """Write down another node's pods as flannel does."""
    first, link_address = pods.partition("/")[0], "02:00:00:00:00:09"
    for words in (
        f"bridge fdb append {link_address} dev flannel.1 dst {end} permanent",
        f"ip neighbor add {first} lladdr {link_address} dev flannel.1 nud permanent",
        f"ip route add {pods} via {first} dev flannel.1 onlink",
    ):
        run(words.split())


PEER, END = "10.64.9.0", "10.89.0.11"
# What others' routes and rules make of packets, by `ip`; what is said of it, and mends it.
ELSEWHERE = {
    "a longer route": (
        ["route add 10.64.9.0/28 dev host1"],
        f"packets to {PEER} go by host1, and not by flannel.1: route 10.64.9.0/28",
        "ip route del 10.64.9.0/28",
    ),
    "a table for all": (
        ["route add 10.64.0.0/16 dev host1 table 52", "rule add lookup 52 priority 5270"],
        f"packets to {PEER} go by host1, and not by flannel.1: route 10.64.0.0/16 table 52",
        "ip route del 10.64.0.0/16 table 52",
    ),
    "a table for what pods send": (
        ["route add default dev host1 table 7", "rule add from 10.64.8.0/24 lookup 7"],
        f"packets to {PEER} go by host1, and not by flannel.1: route default table 7",
        "ip route del default table 7",
    ),
    "a longer route to a node": (
        ["route add 10.89.0.8/29 dev host1"],
        f"packets to {END} go by host1, and not by host0: route 10.89.0.8/29",
        "ip route del 10.89.0.8/29",
    ),
    "a route that leads nowhere": (
        ["route add blackhole 10.64.9.0/28"],
        f"no route leads to {PEER}, which is behind flannel.1",
        "",
    ),
}


@pytest.mark.parametrize("case", ELSEWHERE)
def test_what_leads_packets_elsewhere(session: Session, case: str) -> None:
    peer(f"{PEER}/24", end=END)
    run(["ip", "link", "add", "cni0", "type", "bridge"])
    run(["ip", "link", "set", "cni0", "up"])
    run(["ip", "address", "add", "10.64.8.1/24", "dev", "cni0"])
    assert told(session) == "None"
    given, what, mend = ELSEWHERE[case]
    for words in given:
        run(["ip", *words.split()])

    assert told(session) == (f"{what} ({mend})" if mend else what)

    if mend:
        run(mend.split())
        assert told(session) == "None"


def test_a_filter_by_the_way_back_that_has_dropped(session: Session) -> None:
    other = OwnNetwork()
    run(["ip", "link", "set", "host0-end", "netns", other.path])
    for words in ("address add 10.99.0.1/24 dev host0-end", "link set host0-end up"):
        other.ask(partial(run, ["ip", *words.split()]))
    [seen] = json.loads(run(["ip", "-json", "link", "show", "host0"]).stdout)
    to_own = f"neighbor add {OWN} lladdr {seen['address']} dev host0-end".split()
    other.ask(lambda: run(["ip", "route", "add", f"{OWN}/32", "dev", "host0-end"]))
    other.ask(lambda: run(["ip", *to_own]))
    run(["ip", "route", "add", "10.99.0.0/24", "dev", "host1"])
    run(["sysctl", "-qw", "net.ipv4.conf.host0.rp_filter=1"])
    before = host_network.dropped()

    while not (dropped := host_network.dropped().since(before)).by_source:
        other.ask(lambda: is_answered(IPv4Address(OWN), 1))

    assert told(session) == "None"
    assert told(session, dropped) == (
        "net.ipv4.conf.host0.rp_filter is 1, and has dropped packets"
        " (sysctl -w net.ipv4.conf.host0.rp_filter=2)"
    )
    other.end()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (socket.IPPROTO_TCP, struct.pack("!HHIIBBHHH", 4000, 1, 1, 0, 5 << 4, 2, 1024, 0xBEEF, 0)),
        (socket.IPPROTO_UDP, struct.pack("!HHHH", 53, 4000, 8, 0xBEEF)),
    ],
)
def test_packets_that_come_with_wrong_checksums(session: Session, kind: int, words: bytes) -> None:
    """Whoever has a socket of a kind puts its checksums there, as a card is to (raw(7))."""
    run(["ip", "link", "set", "lo", "up"])
    before = host_network.dropped()

    with socket.socket(socket.AF_INET, socket.SOCK_RAW, kind) as card:
        for _ in range(3):
            card.sendto(words, ("127.0.0.1", 0))
    dropped = host_network.dropped().since(before)

    assert dropped == Dropped(by_checksum=3)
    assert told(session, Dropped(by_checksum=1)) == "None"  # it may have come from anywhere
    assert told(session, dropped).startswith("packets come with wrong checksums, which the network")
    assert told(session, dropped).endswith(
        "(on every host: ethtool -K flannel.1 tx-checksum-ip-generic off)"
    )


class Nodes:
    """An API that has these, and tells a worker's kubelet of its own alone."""

    def __init__(self, *nodes: dict[str, Any], own: str = "") -> None:
        self._nodes, self._own = nodes, own

    def list(self, _kind: str) -> list[dict[str, Any]]:
        if self._own:
            raise ApiError(403, "Forbidden", "nodes is forbidden")
        return [*self._nodes]

    def get(self, _kind: str, name: str) -> dict[str, Any]:
        assert name == self._own
        return next(one for one in self._nodes if one["metadata"]["name"] == name)


def node(name: str, address: str, **notes: str) -> dict[str, Any]:
    """Return a Node as flannel has annotated it."""
    said = {f"{flannel.ANNOTATIONS}{note.replace('_', '-')}": end for note, end in notes.items()}
    return {
        "metadata": {"name": name, "annotations": said},
        "status": {"addresses": [{"type": "InternalIP", "address": address}]},
    }


ASTRAY = node("w1", "10.89.0.12", public_ip="192.0.2.4")
MISLED = (
    "what is for pods of node w1 is sent to 192.0.2.4, and the node is 10.89.0.12"
    " (kubectl annotate node w1 flannel.alpha.coreos.com/public-ip=10.89.0.12 --overwrite)"
)


@pytest.mark.parametrize("own", ["", "w1"], ids=["on a control plane", "on a worker"])
def test_a_node_of_which_flannel_was_told_that_it_is_elsewhere(session: Session, own: str) -> None:
    """Before the route to there, which is nobody's fault."""
    there = node("cp1", OWN, public_ip=OWN), node("new", "10.89.0.13"), ASTRAY
    session._api = cast(Api, Nodes(*there, own=own))
    session._config = msgspec.structs.replace(CONFIG, node=Node(name=own or "cp1", address=OWN))
    peer(f"{PEER}/24", end="192.0.2.4")
    run(["ip", "route", "add", "192.0.2.0/24", "dev", "host1"])

    assert str(network_cause.look(session, is_between_nodes=True)) == MISLED


def test_a_node_that_a_person_has_put_elsewhere_is_there(session: Session) -> None:
    end = {"public_ip": "192.0.2.4", "public_ip_overwrite": "192.0.2.4"}
    session._api = cast(Api, Nodes(node("w1", "10.89.0.12", **end)))

    assert network_cause.look(session, is_between_nodes=True) is None
