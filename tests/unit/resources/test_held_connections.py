"""Connections to the door wait where they are wanted to, and no longer."""

import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.unit.sessions import session_of

from kubeception.endpoints import API_PORT
from kubeception.resources.held_connections import HeldConnections
from kubeception.session import Session

# An address of loopback that nobody else has.
HERE = ip_address("127.64.43.1")
OPEN, CLOSED = HeldConnections(HERE, is_open=True), HeldConnections(HERE, is_open=False)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with session_of(tmp_path) as made:
        yield made


def test_who_comes_waits_once_it_is_open(session: Session) -> None:
    assert OPEN.drift(session) == "closed"

    OPEN.apply(session)
    OPEN.apply(session)

    assert OPEN.drift(session) is None
    with socket.create_connection((str(HERE), API_PORT)) as client:
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_who_waits_is_sent_away_once_it_is_closed(session: Session) -> None:
    assert CLOSED.drift(session) is None
    OPEN.apply(session)
    with socket.create_connection((str(HERE), API_PORT)) as client:
        assert CLOSED.drift(session) == "open"

        CLOSED.apply(session)

        assert CLOSED.drift(session) is None
        with pytest.raises(ConnectionResetError):
            client.recv(1)
