"""Which other nodes a node tries, and what of a Node says that its network doesn't work."""

from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from kubeception.conditions import network_problem, unready
from kubeception.conditions.network import MOST_PEERS, following, following_ranges, place_in
from kubeception.host.network import Dropped, dropped, gateways, ranges

ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
host0\t00000000\t0100590A\t0003\t0\t0\t0\t00000000\t0\t0\t0
flannel.1\t0002400A\t0002400A\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0
flannel.1\t0001400A\t0001400A\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0
cni0\t0003400A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""


def test_nodes_are_tried_in_a_ring() -> None:
    names = [f"n{number:02}" for number in range(20)]
    assert following("n05", names) == names[6 : 6 + MOST_PEERS]
    assert following("n17", names) == [*names[18:], *names[: MOST_PEERS - 2]]
    assert following("n00", names[:3]) == ["n01", "n02"]
    assert following("n00", ["n00"]) == []
    tried = [one for name in names for one in following(name, names)]
    assert {name: tried.count(name) for name in names} == dict.fromkeys(names, MOST_PEERS)


def test_other_nodes_are_where_routes_through_the_link_lead(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net/route").write_text(ROUTES)
    assert list(map(str, gateways("flannel.1", proc=tmp_path))) == ["10.64.1.0", "10.64.2.0"]
    assert gateways("cni0", proc=tmp_path) == []


def test_nodes_are_tried_in_a_ring_by_their_ranges(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net/route").write_text(ROUTES)
    near, far = ranges("flannel.1", proc=tmp_path)
    assert [str(place_in(one)) for one in (near, far)] == ["10.64.1.254", "10.64.2.254"]

    nodes = [IPv4Network(f"10.64.{number}.0/24") for number in range(20)]
    for number, own in enumerate(nodes):
        others = [one for one in nodes if one != own]
        found = following_ranges([own.network_address], others)
        assert found == [nodes[(number + step) % 20] for step in range(1, MOST_PEERS + 1)]
    assert following_ranges([], [near, far]) == [near, far]


def test_what_the_kernel_has_dropped_is_counted(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    told = "TcpExt: SyncookiesSent IPReversePathFilter\nTcpExt: 1 42\nIpExt: InNoRoutes\nIpExt: 7\n"
    (tmp_path / "net/netstat").write_text(told)
    counted = (
        "Tcp: InErrs InCsumErrors\nTcp: 9 3\nUdp: InCsumErrors\nUdp: 4\nUdpLite: InCsumErrors\n"
    )
    (tmp_path / "net/snmp").write_text(f"{counted}UdpLite: 5\n")
    assert dropped(proc=tmp_path) == Dropped(by_source=42, by_checksum=7)
    assert dropped(proc=tmp_path).since(Dropped(2, 7)) == Dropped(by_source=40)
    (tmp_path / "net/netstat").write_text("TcpExt: SyncookiesSent\nTcpExt: 1\n")
    (tmp_path / "net/snmp").write_text("")
    assert dropped(proc=tmp_path) == Dropped()
    (tmp_path / "net/netstat").write_text("")
    assert dropped(proc=tmp_path) == Dropped()


def said(kind: str, status: str, **more: str) -> dict[str, Any]:
    return {"status": {"conditions": [{"type": kind, "status": status, **more}]}}


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (None, "there is no Node w1"),
        ({}, "it has not said anything yet"),
        (said("MemoryPressure", "True"), "it has not said anything yet"),
        (said("Ready", "False", message="no network"), "no network"),
        (said("Ready", "Unknown"), "Unknown"),
        (said("Ready", "True", message="kubelet is posting"), None),
    ],
)
def test_why_a_node_is_not_ready(found: dict[str, Any] | None, why: str | None) -> None:
    assert unready(found, "w1") == why


def test_a_node_tells_of_its_network() -> None:
    assert network_problem({}) is None
    assert network_problem(said("NetworkProblem", "False", reason="NetworkWorks")) is None
    assert network_problem(said("NetworkProblem", "True", reason="Dns")) == "Dns"
