"""What is gone of the ways to other nodes' pods is told, in a network of a test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.api import network
from tests.api.test_network_cause import CONFIG, link, peer, tunnel

from kubeception.host import files, links
from kubeception.host.gateway import Host
from kubeception.host.process import run
from kubeception.host.systemd import Systemd
from kubeception.render import flannel
from kubeception.resources.pod_routes import PodRoutes
from kubeception.session import Session

ONE, OTHER = "10.64.1.0", "10.64.2.0"
LINK_ADDRESS = "02:00:00:00:00:09"


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with network.new():
        link("host0", "10.89.0.21")
        tunnel(through="host0", local="10.89.0.21")
        host = Host(tmp_path, Systemd(tmp_path / "nobody-answers"))
        files.write(host.at(flannel.LINK_INDEX), f"{links.index(flannel.LINK)}\n")
        yield Session(CONFIG, host)


def test_a_node_without_others_lacks_none(session: Session) -> None:
    assert PodRoutes().drift(session) is None


def test_those_that_are_whole_are_not_told(session: Session) -> None:
    peer(f"{ONE}/24", end="10.89.0.11")
    peer(f"{OTHER}/24", end="10.89.0.12")

    assert PodRoutes().drift(session) is None


@pytest.mark.parametrize(
    "gone",
    [
        f"ip route del {OTHER}/24",
        f"ip route replace {OTHER}/24 dev host0",
        f"ip neighbor del {OTHER} dev flannel.1",
        f"ip neighbor replace {OTHER} lladdr 02:00:00:00:00:0a dev flannel.1 nud permanent",
    ],
)
def test_one_that_is_gone_is_told(session: Session, gone: str) -> None:
    peer(f"{ONE}/24", end="10.89.0.11")
    peer(f"{OTHER}/24", end="10.89.0.12")
    run(gone.split())

    assert PodRoutes().drift(session) == f"are not whole: those to {OTHER}"


def test_the_end_of_a_tunnel_that_is_gone_is_told(session: Session) -> None:
    peer(f"{ONE}/24", end="10.89.0.11")
    run(f"bridge fdb del {LINK_ADDRESS} dev flannel.1 dst 10.89.0.11".split())

    assert PodRoutes().drift(session) == f"are not whole: those to {ONE}"


@pytest.mark.parametrize("words", ["ip route flush dev flannel.1", "ip link set flannel.1 down"])
def test_that_all_are_gone_is_told(session: Session, words: str) -> None:
    peer(f"{ONE}/24", end="10.89.0.11")
    run(words.split())
    run(["ip", "link", "set", "flannel.1", "up"])

    assert PodRoutes().drift(session) == "are gone, all of them"


def test_a_link_that_is_down_or_deleted_or_another_one_is_told(session: Session) -> None:
    peer(f"{ONE}/24", end="10.89.0.11")
    run(["ip", "link", "set", "flannel.1", "down"])
    assert PodRoutes().drift(session) == "are gone: link flannel.1 is down"

    run(["ip", "link", "delete", "flannel.1"])
    assert PodRoutes().drift(session) == "are gone: link flannel.1 is not there"

    tunnel(through="host0", local="10.89.0.21")
    assert PodRoutes().drift(session) == "are gone, all of them"


@pytest.mark.parametrize("torn", [b"", b"\xff\xfe"])
def test_where_there_are_none_a_torn_note_of_the_link_is_written_anew(
    session: Session, torn: bytes
) -> None:
    files.write(session.host.at(flannel.LINK_INDEX), torn)

    assert PodRoutes().drift(session) == "are gone, all of them"
