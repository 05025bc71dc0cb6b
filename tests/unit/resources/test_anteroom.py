"""Connections to the door wait where they are wanted to, and no longer."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.reaching import reach_of

from kubeception.endpoints import API_PORT
from kubeception.reach import Reach
from kubeception.resources.anteroom import Anteroom

# An address of loopback that nobody else has.
HERE = "127.64.43.1"
OPEN, CLOSED = Anteroom(HERE, is_open=True), Anteroom(HERE, is_open=False)


@pytest.fixture
def reach(tmp_path: Path) -> Iterator[Reach]:
    with reach_of(tmp_path) as made:
        yield made


def test_who_comes_waits_once_it_is_open(reach: Reach) -> None:
    assert OPEN.drift(reach) == "closed"

    OPEN.apply(reach)
    OPEN.apply(reach)

    assert OPEN.drift(reach) is None
    with socket.create_connection((HERE, API_PORT)) as client:
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_who_waits_is_sent_away_once_it_is_closed(reach: Reach) -> None:
    assert CLOSED.drift(reach) is None
    OPEN.apply(reach)
    with socket.create_connection((HERE, API_PORT)) as client:
        assert CLOSED.drift(reach) == "open"

        CLOSED.apply(reach)

        assert CLOSED.drift(reach) is None
        with pytest.raises(ConnectionResetError):
            client.recv(1)
