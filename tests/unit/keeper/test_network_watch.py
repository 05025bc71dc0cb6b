"""What of the network counts: not what a single look has seen."""

import logging
from pathlib import Path

import pytest
from tests.unit.sessions import session_of

from kubeception.diagnosis import container_programs
from kubeception.host import files, network
from kubeception.host.network import Dropped
from kubeception.keeper import network_watch, record
from kubeception.keeper.pod_place import PodPlace
from kubeception.keeper.trouble import Looks, Reason, Trouble
from kubeception.layout import OUR_MARK
from kubeception.render import containerd
from kubeception.session import Session

DNS, PODS = Trouble(Reason.DNS, "silent"), Trouble(Reason.PODS, "no route")


def test_what_was_seen_once_does_not_count() -> None:
    assert Looks().lasting is None
    assert Looks().then(DNS).lasting is None
    assert Looks().then(DNS).then(None).then(DNS).lasting is None


def test_what_was_seen_twice_counts_as_it_was_last() -> None:
    assert Looks().then(DNS).then(DNS).lasting == DNS
    assert Looks().then(DNS).then(PODS).lasting == PODS
    assert Looks().then(DNS).then(DNS).then(None).lasting is None


def test_what_pods_alone_do_not_reach_is_looked_at_again_soon() -> None:
    of_pods = Trouble(Reason.NODES, "dropped", from_pod=True)

    assert not Looks().is_to_be_seen_again
    assert not Looks().then(DNS).is_to_be_seen_again
    assert Looks().then(of_pods).is_to_be_seen_again
    assert not Looks().then(of_pods).then(of_pods).is_to_be_seen_again


def test_status_is_told_what_pods_alone_do_not_reach(tmp_path: Path) -> None:
    assert record.trouble(tmp_path) is None
    record.write_trouble(tmp_path, Trouble(Reason.NODES, "dropped", from_pod=True))
    assert record.trouble(tmp_path) == "dropped"
    for over in (DNS, None):  # the one is asked by status itself
        record.write_trouble(tmp_path, over)
        assert record.trouble(tmp_path) is None


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A host on which pods could start."""
    session = session_of(tmp_path)
    at = session.config.layout
    files.write(session.host.at(Path("/etc/resolv.conf")), "nameserver 192.0.2.1\n")
    files.write(session.host.at(at.units / containerd.UNIT), OUR_MARK)
    config = session.config
    for path in (*container_programs.runtime(config), *container_programs.plugins(config)):
        files.write(session.host.at(path), "", mode=0o755)
    return session


def test_another_network_is_told_before_what_comes_of_it(session: Session) -> None:
    at = session.config.layout.cni.settings / "05-podman.conflist"
    files.write(session.host.at(at), '{"plugins": [{"type": "bridge"}]}')

    found = network_watch.look(session, PodPlace(session))

    assert found and found.reason is Reason.OTHERS
    assert found.words.startswith(f"new pods get another network: {at}: ")
    assert found.words.endswith(f"(mv {at} {at}.off)")


def test_a_look_that_fails_is_trouble_and_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A watch that had ended would be taken for one that sees nothing wrong."""

    def fails(**_: Path) -> Dropped:
        raise IndexError("no such column")

    monkeypatch.setattr(network, "dropped", fails)
    session = session_of(tmp_path)
    place = PodPlace(session)

    with caplog.at_level(logging.WARNING):
        found = [network_watch.look(session, place) for _ in range(3)]

    why = "the cluster's network can't be tried from here: IndexError: no such column"
    assert found == [Trouble(Reason.UNTRIED, why)] * 3
    assert [one.getMessage().rpartition(": ")[2] for one in caplog.records] == ["no such column"]
    assert caplog.records[0].exc_info
