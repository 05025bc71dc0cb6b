"""Name servers that are no use to pods are told, and those that are aren't: in a network apart."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from msgspec import structs
from tests.api import network
from tests.fixed import SETTINGS

from kubeception import resolver
from kubeception.config import Config, cluster
from kubeception.config.model import Cni, Net
from kubeception.diagnosis import network_cause
from kubeception.errors import PreflightError
from kubeception.host import files
from kubeception.host.gateway import Host
from kubeception.host.process import run
from kubeception.host.systemd import Systemd
from kubeception.kube import proxy
from kubeception.preflight import leftovers
from kubeception.preflight.host_state import HostState
from kubeception.resources.clear_networks import ClearNetworks
from kubeception.session import Session

NET = Net(service_cluster_ip_range="10.65.0.0/16", cluster_cidr="10.64.0.0/16")
OWN, SOMEBODYS, OUTSIDE, OTHER = "10.65.0.10", "10.65.7.53", "192.0.2.1", "192.0.2.2"
USUAL = Path("/etc/resolv.conf")
RESTART = "kubectl -n kube-system rollout restart deployment coredns"


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with network.new():
        for address in (SOMEBODYS, OUTSIDE, OTHER):
            run(["ip", "address", "add", f"{address}/32", "dev", "lo"])
        yield Session(Config(net=NET), Host(tmp_path, Systemd(tmp_path / "nobody-answers")))


def name(session: Session, *servers: str, at: Path = USUAL) -> None:
    files.write(session.host.at(at), "".join(f"nameserver {one}\n" for one in servers))


def run_a_cluster(session: Session, *, forwards_names: bool = True) -> None:
    """Have the host be of a cluster."""
    settings = structs.replace(SETTINGS, net=NET, forwards_names=forwards_names)
    files.write(session.layout.cluster, cluster.text(cluster.Copy(settings, settings)))
    session._config = None


class Well(BaseHTTPRequestHandler):
    """Says what kube-proxy does that is well."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()


@contextlib.contextmanager
def well_proxy() -> Iterator[None]:
    """Have a kube-proxy be well."""
    with ThreadingHTTPServer(("127.0.0.1", proxy.PORT), Well) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


@contextlib.contextmanager
def server(address: str) -> Iterator[None]:
    """Have one answer there that it does not know."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.bind((address, 53))

        def answer() -> None:
            while (asked := end.recvfrom(512))[0]:
                end.sendto(asked[0][:2] + b"\x81\x05" + asked[0][4:], asked[1])

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", (address, 53))
            thread.join()


def found(session: Session) -> list[tuple[str, str]]:
    """Return what preflight finds before a bootstrap: how bad it is, and what."""
    return [(one.severity, one.problem) for one in leftovers.resolver(HostState(session))]


IN_A_RANGE = {
    (OWN,): f"{OWN} is the cluster's own DNS, which would ask itself",
    (SOMEBODYS,): f"{SOMEBODYS} is in the cluster's own service_cluster_ip_range 10.65.0.0/16, and"
    " lost to its pods",
    (OUTSIDE, "10.64.3.3"): "10.64.3.3 is in the cluster's own cluster_cidr 10.64.0.0/16, and"
    " lost to its pods",
}


@pytest.mark.parametrize("servers", IN_A_RANGE)
def test_a_server_within_the_clusters_ranges_is_an_error_before_there_is_a_cluster(
    session: Session, servers: tuple[str, ...]
) -> None:
    name(session, *servers)

    assert found(session) == [("error", f"{USUAL}: {IN_A_RANGE[servers]}")]
    [told] = leftovers.resolver(HostState(session))
    assert told.hint == (
        f"name a server in {USUAL} that other hosts reach, too, or have a range in the [net]"
        " section that nothing else has"
    )
    # What the hint says.
    name(session, OUTSIDE)
    assert found(session) == []
    name(session, *servers)
    session._config = Config(net=Net(service_cluster_ip_range="10.70.0.0/16"))
    assert found(session) == []


def test_the_pods_range_is_nobodys_where_people_bring_a_network(session: Session) -> None:
    session._config = Config(net=structs.replace(NET, cni=Cni.NONE))
    name(session, "10.64.3.3")

    assert found(session) == []


def test_a_host_that_is_to_join_is_told_by_the_cluster_which_its_ranges_are(
    session: Session,
) -> None:
    name(session, SOMEBODYS)

    assert [*leftovers.resolver(HostState(session, is_worker=True))] == []
    assert ClearNetworks(Net()).drift(session) is None
    with pytest.raises(PreflightError) as caught:
        ClearNetworks(NET).apply(session)
    assert f"{USUAL}: {IN_A_RANGE[SOMEBODYS,]}" in caught.value.message
    assert (caught.value.hint or "").startswith(f"name a server in {USUAL}")

    run_a_cluster(session)
    assert ClearNetworks(NET).drift(session) is None


USELESS = {
    (OWN, OUTSIDE): IN_A_RANGE[OWN,],
    (SOMEBODYS,): IN_A_RANGE[SOMEBODYS,],
    ("0.0.0.0", "::"): "pods can't ask 0.0.0.0, ::, and a CoreDNS here would ask itself",
    ("127.0.0.1",): "pods can't ask 127.0.0.1, and a CoreDNS here would ask itself",
}


@pytest.mark.parametrize("servers", USELESS)
def test_a_host_of_a_cluster_says_which_servers_are_no_use_to_its_pods(
    session: Session, servers: tuple[str, ...]
) -> None:
    run_a_cluster(session)
    name(session, OUTSIDE)
    assert resolver.useless(session) is None
    name(session, *servers)

    what = f"{USUAL}: {USELESS[servers]}"
    mend = f"name a server in {USUAL} that other hosts reach, too; then {RESTART}"
    assert resolver.problem_of_servers(session) == f"{what} ({mend})"
    # A run that has something else to mend goes on.
    assert found(session) == [("warning", what)]


def test_somebodys_own_dns_within_the_cluster_is_as_good_as_others(session: Session) -> None:
    run_a_cluster(session)
    name(session, SOMEBODYS)

    with server(SOMEBODYS):
        assert resolver.useless(session) is None


def test_a_cluster_that_forwards_nothing_needs_no_server(session: Session) -> None:
    run_a_cluster(session, forwards_names=False)
    name(session, "127.0.0.1")

    assert resolver.useless(session) is None


def test_the_servers_of_resolved_are_named_by_its_own_command(session: Session) -> None:
    run_a_cluster(session)
    at = Path("/run/systemd/resolve/resolv.conf")
    name(session, OWN, at=at)

    assert str(resolver.useless(session)) == (
        f"{at}: {IN_A_RANGE[OWN,]} (name a server by resolvectl dns LINK ADDRESS that other hosts"
        f" reach, too; then {RESTART})"
    )


def test_it_is_the_cause_where_the_clusters_dns_is_silent(session: Session) -> None:
    run_a_cluster(session)
    name(session, OWN)
    session._config = structs.replace(session.config, net=structs.replace(NET, cni=Cni.NONE))
    run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])

    with well_proxy():
        assert str(network_cause.look(session, is_dns=True)) == str(resolver.useless(session))


def test_servers_of_which_none_answers_are_told(session: Session) -> None:
    name(session, OUTSIDE, OTHER)
    said = f"{USUAL}: {OUTSIDE}, {OTHER} do not answer this host, so that its pods find no names"
    assert (resolver.silence(session) or "").startswith(said)

    with server(OTHER):
        assert resolver.silence(session) is None

    for nobody in ((), ("127.0.0.1",)):  # that is told otherwise
        name(session, *nobody)
        assert resolver.silence(session) is None
