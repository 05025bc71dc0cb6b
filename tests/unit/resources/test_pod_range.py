"""The range of a node's pods: that of its Node, for flannel and for every address given out."""

from ipaddress import IPv4Address
from pathlib import Path

import pytest
from tests.unit.sessions import session_of

from kubeception.host import files, network
from kubeception.render import flannel
from kubeception.resources.pod_range import PodRange, in_use
from kubeception.session import Session

WANTED = PodRange("10.244.3.0/24")


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setattr(network, "addresses", list)
    return session_of(tmp_path)


def goes_by(session: Session, subnet: str) -> None:
    said = f"FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET={subnet}\nFLANNEL_MTU=1450\n"
    files.write(session.host.at(flannel.RUN / "subnet.env"), said)


def test_none_yet_is_no_other_one(session: Session) -> None:
    assert WANTED.drift(session) is None


@pytest.mark.parametrize("subnet", ["", "10.244.3.", "10.244.3.1", "10.244.3.1/240"])
def test_one_that_is_torn_is_none(session: Session, subnet: str) -> None:
    goes_by(session, subnet)

    assert in_use(session) is None
    assert WANTED.drift(session) is None


def test_that_of_the_node_is_as_wanted(session: Session) -> None:
    goes_by(session, "10.244.3.1/24")
    for name in ("10.244.3.7", "last_reserved_ip.0", "lock"):
        files.write(session.host.at(flannel.GIVEN_OUT / name), "")

    assert WANTED.drift(session) is None


def test_flannel_by_another_one_is_told(session: Session) -> None:
    goes_by(session, "10.244.1.1/24")

    assert WANTED.drift(session) == "is 10.244.3.0/24, and flannel goes by 10.244.1.0/24"


def test_an_address_of_before_is_told(session: Session) -> None:
    goes_by(session, "10.244.3.1/24")
    files.write(session.host.at(flannel.GIVEN_OUT / "10.244.1.9"), "")

    assert WANTED.drift(session) == "is 10.244.3.0/24, and 10.244.1.9 is still given out"


def test_a_bridge_of_before_is_told(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_by(session, "10.244.3.1/24")
    found = [("cni0", IPv4Address("10.244.1.1")), ("host0", IPv4Address("192.0.2.1"))]
    monkeypatch.setattr(network, "addresses", lambda: found)

    assert WANTED.drift(session) == "is 10.244.3.0/24, and cni0 has 10.244.1.1"
