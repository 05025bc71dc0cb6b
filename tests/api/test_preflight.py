"""Preflight's questions to the kernel and to an API, answered by real ones."""

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from tests.api.network import new
from tests.fixed import CONFIG

from kubeception.conditions import LEASES, current_problem, lease_held
from kubeception.config import Config
from kubeception.config.model import Cni, Etcd, Net, Node
from kubeception.endpoints import HOSTED_PORTS
from kubeception.host import door, files
from kubeception.host.gateway import Host
from kubeception.host.process import run
from kubeception.kube.client import Api
from kubeception.preflight import address, capacity, layers, leftovers, ports, webhooks
from kubeception.preflight.finding import Severity
from kubeception.preflight.host_state import HostState
from kubeception.render import flannel
from kubeception.session import Session

KUBELET = ports.KUBELET.program
KIND = "ValidatingWebhookConfiguration"


@pytest.fixture
def seen(tmp_path: Path) -> HostState:
    """A host of which only its network is real: two interfaces that lead out."""
    return HostState(
        Session(CONFIG, Host(root=tmp_path)), node="cp1", address=ip_address("192.0.2.10")
    )


@pytest.fixture
def network() -> Iterator[None]:
    with new():
        run(["ip", "link", "add", "one", "type", "veth", "peer", "name", "two"])
        for name, own in (("one", "192.0.2.10/24"), ("two", "198.51.100.10/24")):
            run(["ip", "address", "add", own, "dev", name])
            run(["ip", "link", "set", name, "up"])
        yield


def route(gateway: str, *more: str) -> None:
    run(["ip", "route", "append", "default", "via", gateway, *more])


def said(seen: HostState) -> list[str]:
    checks = (address.of_this_host, address.choice)
    return [f"{f.severity} {f.problem}" for check in checks for f in check(seen)]


@pytest.mark.usefixtures("network")
def test_one_way_out_leaves_no_choice(seen: HostState) -> None:
    route("192.0.2.1")

    assert said(seen) == []


@pytest.mark.usefixtures("network")
def test_no_way_out_leaves_no_address(seen: HostState) -> None:
    assert said(replace(seen, address=None)) == [
        "error there is no default route to take the address from"
    ]


@pytest.mark.usefixtures("network")
def test_two_ways_out_that_are_as_good_have_to_be_chosen_from(seen: HostState) -> None:
    route("192.0.2.1")
    route("198.51.100.1")
    both = "192.0.2.10 (one), 198.51.100.10 (two)"
    chosen = Config(node=Node(address="192.0.2.10"))

    assert said(seen) == [f"error several default routes, and no address chosen: {both}"]
    assert said(replace(seen, session=Session(chosen))) == []
    files.write(
        seen.session.host.at(CONFIG.layout.etcd.environment),
        'ETCD_ADVERTISE_CLIENT_URLS="https://192.0.2.10:2379"\n',
    )
    assert said(seen) == []  # this host goes by it already


@pytest.mark.usefixtures("network")
def test_of_two_ways_out_the_better_one_is_taken_with_a_word(seen: HostState) -> None:
    route("192.0.2.1", "metric", "100")
    route("198.51.100.1", "metric", "200")
    both = "192.0.2.10 (one), 198.51.100.10 (two)"

    assert said(seen) == [f"warning several addresses and none chosen: {both}; 192.0.2.10 is taken"]


@pytest.mark.usefixtures("network")
def test_an_address_of_somebody_else_is_told_with_ours(seen: HostState) -> None:
    assert said(replace(seen, address=ip_address("192.0.2.99"))) == [
        "error 192.0.2.99 is not on this host, which has 192.0.2.10, 198.51.100.10"
    ]


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        ({}, {}),
        (
            {"service_cluster_ip_range": "192.0.0.0/16"},
            {"Net-service_cluster_ip_range": "192.0.0.0/16 covers 192.0.2.0/24 of one,"},
        ),
        (
            {"cluster_cidr": "198.51.0.0/16"},
            {"Net-cluster_cidr": "198.51.0.0/16 covers 198.51.7.0/24 of two, 198.51.100.0/24 of"},
        ),
        ({"cluster_cidr": "198.51.0.0/16", "cni": Cni.NONE}, {}),
        ({"cluster_cidr": "10.42.0.0/16"}, {}),
    ],
)
def test_a_range_that_covers_a_network_of_the_host_is_told(
    ranges: dict[str, Any], said: dict[str, str], tmp_path: Path
) -> None:
    """Also one to which it only has a route; its own links are in the pods' range by right."""
    run(["ip", "route", "add", "198.51.7.0/24", "via", "198.51.100.1"])
    run(["ip", "link", "add", flannel.BRIDGE, "type", "bridge"])
    run(["ip", "address", "add", "10.42.0.1/24", "dev", flannel.BRIDGE])
    run(["ip", "link", "set", flannel.BRIDGE, "up"])
    seen = HostState(Session(Config(net=Net(**ranges)), Host(root=tmp_path)))

    found = {one.check: one for one in address.ranges(seen)}

    assert found.keys() == said.keys()
    # Whoever is to join has not been told yet which they are.
    assert list(address.ranges(replace(seen, is_worker=True))) == []
    for check, words in said.items():
        assert words in found[check].problem
        assert found[check].severity is Severity.ERROR
    files.write(seen.layout.cluster, "{}")  # it was given out
    assert all(one.severity is Severity.WARNING for one in address.ranges(seen))


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(("own", "is_told"), [("10.42.0.1/24", True), ("10.244.3.1/24", False)])
def test_a_bridge_of_another_network_is_told_with_what_mends_it(
    own: str, seen: HostState, *, is_told: bool
) -> None:
    run(["ip", "link", "add", flannel.BRIDGE, "type", "bridge"])
    run(["ip", "address", "add", own, "dev", flannel.BRIDGE])

    found = list(leftovers.bridge(seen))

    assert [one.check for one in found] == (["Link-cni0"] if is_told else [])
    for one in found:
        run(one.hint.split())
    assert list(leftovers.bridge(seen)) == []


@pytest.mark.usefixtures("network")
@pytest.mark.usefixtures("network")
def test_ports_of_ours_that_outgoing_connections_may_take_are_told_with_what_mends_it(
    seen: HostState, tmp_path: Path
) -> None:
    reserved = "net.ipv4.ip_local_reserved_ports"
    assert list(ports.given_out(seen)) == []
    run(["sysctl", "-qw", "net.ipv4.ip_local_port_range=10000 65535", f"{reserved}=7,10248-10249"])

    (found,) = ports.given_out(seen)
    (of_worker,) = ports.given_out(replace(seen, is_worker=True))

    assert (found.check, found.severity) == (f"Sysctl-{reserved}", "warning")
    assert found.problem == (
        "outgoing connections may take 10250,10256-10257,10261,10267,10269, where this host is to"
        " listen: net.ipv4.ip_local_port_range is 10000 to 65535"
    )
    assert "may take 10250,10256, where" in of_worker.problem
    kept = "/etc/sysctl.d/90-reserved-ports.conf"
    run(["sh", "-c", found.hint.replace(kept, str(tmp_path / "own.conf"))])
    assert list(ports.given_out(seen)) == []
    assert "=7,2379-2381,6444-6450,10248-10250,10256-10257,10261" in found.hint


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """Somebody to whom connections lead, in a test's network."""
    with new():
        run(["ip", "link", "add", "one", "type", "veth", "peer", "name", "two"])
        run(["ip", "address", "add", "192.0.2.10/24", "dev", "one"])
        run(["ip", "link", "set", "one", "up"])
        with socket.create_server(("192.0.2.10", 5000)) as there:
            yield there


def connection(server: socket.socket, address: str, port: int) -> socket.socket:
    return socket.create_connection(server.getsockname(), source_address=(address, port))


def test_a_connection_that_has_a_port_of_ours_is_told_until_it_is_free(
    seen: HostState, server: socket.socket
) -> None:
    assert list(ports.foreign_listeners(seen)) == []
    has = f"has a connection from 192.0.2.10:10250 to 192.0.2.10:5000, the port of {KUBELET}"
    with connection(server, "192.0.2.10", 10250):
        (found,) = ports.foreign_listeners(seen)
        assert (found.check, found.severity) == ("Port-10250", Severity.ERROR)
        assert f"(pid {os.getpid()}) {has}" in found.problem
        assert "systemctl stop" in found.hint or found.hint == f"kill {os.getpid()}"
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("", 10250))

    (over,) = ports.foreign_listeners(seen)
    assert over.problem == (
        "a connection from 192.0.2.10:10250 to 192.0.2.10:5000 has ended, and has it for a minute"
        f" more, the port of {KUBELET}"
    )
    assert (over.severity, over.hint) == (Severity.WARNING, "sleep 60")


def test_a_connection_beside_which_somebody_can_listen_is_nobodys_fault(
    seen: HostState, server: socket.socket
) -> None:
    with connection(server, "192.0.2.10", 10248):  # wanted on the loopback alone
        assert list(ports.foreign_listeners(seen)) == []
    with socket.socket() as shared:
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        shared.bind(("192.0.2.10", 10250))
        shared.connect(server.getsockname())
        assert list(ports.foreign_listeners(seen)) == []
        socket.create_server(("", 10250)).close()


def test_whom_a_listener_has_let_in_is_not_told_beside_it(
    seen: HostState, server: socket.socket
) -> None:
    with (
        socket.create_server(("", 10250)) as listener,
        socket.create_connection(("192.0.2.10", 10250)),
        listener.accept()[0],
    ):
        (found,) = ports.foreign_listeners(seen)
    assert "listens on 0.0.0.0:10250" in found.problem
    assert server.fileno()


def test_nft_is_asked_for_the_door_and_makes_none() -> None:
    rules: dict[str, Any] = {"port": 6443, "address": "192.0.2.10", "service_address": "10.96.0.1"}

    assert door.refusal(**rules) is None
    assert door.read() is None
    refused = door.refusal(**{**rules, "address": "nowhere.invalid"})
    assert refused is not None
    assert door.read() is None


@pytest.mark.parametrize(
    ("inodes", "taken", "says"),
    [
        (1000, 980, "error Disk--var-lib-etcd: /var/lib/etcd: its file system has no inodes left"),
        (4000, 3850, "warning Disk--var-lib-kubelet: /var/lib/kubelet: 14"),
        (4000, 100, ""),
    ],
)
def test_a_disk_without_inodes_is_told_however_much_room_there_is(
    inodes: int, taken: int, says: str, tmp_path: Path
) -> None:
    """As one full of small files, of a mail server's or a build's: nothing can be made there."""
    run(["mount", "-t", "tmpfs", "-o", f"size=8g,nr_inodes={inodes}", "none", tmp_path])
    try:
        for number in range(taken):
            (tmp_path / str(number)).touch()
        seen = HostState(Session(CONFIG, Host(root=tmp_path)))
        found = [f"{one.severity} {one}" for one in capacity.disk(seen)]
    finally:
        run(["umount", tmp_path])

    assert any(one.startswith(says) for one in found) if says else found == []


@pytest.mark.parametrize(
    ("quota", "is_told"), [(None, True), ("0", True), ("4294967296", True), ("536870912", False)]
)
def test_a_disk_that_is_smaller_than_etcds_quota_is_told(
    quota: str | None, tmp_path: Path, *, is_told: bool
) -> None:
    flags = {} if quota is None else {"quota-backend-bytes": quota}
    run(["mount", "-t", "tmpfs", "-o", "size=1g", "none", tmp_path])
    try:
        seen = HostState(Session(Config(etcd=Etcd(extra_args=flags)), Host(root=tmp_path)))
        found = list(capacity.quota(seen))
    finally:
        run(["umount", tmp_path])

    assert bool(found) is is_told
    if is_told:
        [told] = found
        assert told.problem.startswith("/var/lib/etcd: its file system has 1024 MiB, and etcd may")
        assert told.hint == "set quota-backend-bytes in [etcd.extra_args] to 536870912, or less"


@pytest.fixture
def webhook(api: Api) -> Iterator[dict[str, Any]]:
    """A webhook that must answer for kube-system and has nobody who could."""
    wanted = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": KIND,
        "metadata": {"name": "guard"},
        "webhooks": [
            {
                "name": "guard.example.org",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "clientConfig": {"service": {"name": "guard", "namespace": "kube-system"}},
                "rules": [
                    {
                        "operations": ["*"],
                        "apiGroups": ["policy", "apps"],
                        "apiVersions": ["*"],
                        "resources": ["deployments"],
                    }
                ],
            }
        ],
    }
    api.apply(wanted)
    yield wanted
    api.delete(KIND, "guard")


@pytest.fixture
def leaders(session: Session) -> Iterator[None]:
    """Both Leases are held; where nobody holds one, by somebody who isn't there."""
    missing = [name for name in LEASES if current_problem(lease_held(name), session)]
    for name in missing:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "namespace": "kube-system"},
            "spec": {"holderIdentity": "it", "leaseDurationSeconds": 600, "renewTime": now},
        }
        session.api.apply(lease, force=True)
    yield
    for name in missing:
        session.api.delete("Lease", name, namespace="kube-system")


@pytest.mark.usefixtures("leaders")
def test_a_webhook_without_a_backend(session: Session, api: Api, webhook: dict[str, Any]) -> None:
    seen = HostState(session, live=HOSTED_PORTS[0])

    def found() -> list[tuple[str, str, str]]:
        return [(f.check, f.severity, f.problem) for f in webhooks.without_backend(seen)]

    problem = f"{KIND} guard: guard.example.org must answer for kube-system: "
    nobody = f"{problem}there is no Service kube-system/guard"
    assert found() == [("Webhook-guard", "error", nobody)]
    # The bootstrap API server asks no webhook.
    (rebuild,) = webhooks.without_backend(replace(seen, rebuild=True))
    assert rebuild.severity == "warning"
    # Nor is anything asked where no API answers.
    assert list(webhooks.without_backend(replace(seen, live=0))) == []

    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "guard", "namespace": "kube-system"},
        "spec": {"ports": [{"port": 443}]},
    }
    api.apply(service)
    try:
        idle = f"{problem}Service kube-system/guard has no pod that is ready"
        assert found() == [("Webhook-guard", "error", idle)]
        slices = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "guard-1",
                "namespace": "kube-system",
                "labels": {"kubernetes.io/service-name": "guard"},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["192.0.2.50"], "conditions": {"ready": True}}],
            "ports": [{"port": 443}],
        }
        api.apply(slices)
        assert found() == []
        api.delete("EndpointSlice", "guard-1", namespace="kube-system")
    finally:
        api.delete("Service", "guard", namespace="kube-system")
    webhook["webhooks"][0]["failurePolicy"] = "Ignore"
    api.apply(webhook)
    assert found() == []


def test_a_file_system_that_carries_no_layers_is_told_and_left_as_it_is(seen: HostState) -> None:
    folder = seen.session.host.at(CONFIG.layout.containerd.state)
    for path in (folder, *(seen.session.host.root / name for name in ("l", "u", "w"))):
        path.mkdir(parents=True)
    seen = replace(seen, is_root=True)
    assert list(layers.carried(seen)) == []
    root = seen.session.host.root
    options = f"lowerdir={root}/l,upperdir={root}/u,workdir={root}/w"

    run(["mount", "-t", "overlay", "-o", options, "overlay", folder])
    try:
        [found] = layers.carried(seen)
    finally:
        run(["umount", folder])

    where = CONFIG.layout.containerd.state
    assert str(found) == (
        f"Overlay--var-lib-containerd: {where}: its file system (overlay) takes no overlay,"
        " of which images are made"
    )
    assert found.hint == f"mount an ext4 or xfs file system at {where}"
    assert list(layers.carried(seen)) == []
    assert [path.name for at in (folder, root / "u") for path in at.iterdir()] == []
